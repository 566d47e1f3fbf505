"""Describe a data set: counts, sizes, shapes and places of its objects.

Reading order: `options`, `measure` (numbers from the arrays of a data set), `result` (as JSON),
`describe` (the workflow), `remarks`, `tables` (the terminal), `page` with `plots` and `samples`.
"""
