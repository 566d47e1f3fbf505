"""`data split`: a data set cut into parts that have all classes and share no group.

`options`, `groups` (what must stay together), `split` (the workflow), `result`, `tables`.
"""
