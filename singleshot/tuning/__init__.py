"""Search hyperparameters: train a recipe with other values and keep the best as a recipe.

Reading order: `options`, `search_space` (the values to try), `tune` (the workflow of one process),
`store` (the trials in SQLite, shared by several processes), `trials` (one trial, and the noise
between seeds), `report` (recipe, JSON and page after each trial), `page` and `plots` (the HTML
page).
"""
