"""Predict: labelled boxes for images, as results, JSON or drawings.

Read `options`, `sources` (what files, folders, patterns, numbers and URLs name), `result`,
`thresholds`, then `predict` (the workflow). `tiling` finds small objects in large images. `videos`
goes through frames; `stages` are the steps between their detections and results, and `video_stages`
those for tracking and counting. It needs a detector that is loaded; `singleshot.models.predict`
loads one.
"""
