"""Predict: labelled boxes for images, as results, JSON or drawings.

Read `options`, `sources` (files, folders and patterns of images), `result`,
then `predict` (the workflow). It needs a detector that is loaded;
`singleshot.models.predict` loads one.
"""
