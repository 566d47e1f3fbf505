"""Measure how well the priors of a recipe cover the objects of a data set, and fit them.

Reading order: `options`, `measure` (the workflow), `objects` (objects in pixels of the input),
`overlap` (the best prior of each), `result` (all numbers, and the JSON), `remarks` (what they mean,
with remedies), `fit` (the shapes of priors), `input_shape` (height and width of the input),
`fitted_recipe` (the TOML file), `tables` (the terminal), `page` with `plots` (the HTML page).
"""
