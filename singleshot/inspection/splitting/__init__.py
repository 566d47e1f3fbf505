"""Split a data set into parts that have all classes and share no group.

Reading order: `options`, `groups` (what must stay together), `split` (the workflow), `result`,
`tables`.
"""
