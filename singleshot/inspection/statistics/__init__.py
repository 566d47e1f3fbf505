"""`data stats`: counts, sizes, shapes and places of the objects of a data set.

`options`, `measure` (numbers from the arrays of a data set), `result` (as JSON), `describe` (the
workflow), `tables` (terminal); `plots`, `samples` and `page` (the report).
"""
