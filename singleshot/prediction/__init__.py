"""Predict: labelled boxes for images, as results, JSON or drawings.

Read `options`, `sources` (files, folders and patterns of images), then
`predict` (the workflow and its results).
"""
