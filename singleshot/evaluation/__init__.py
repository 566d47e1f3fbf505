"""Evaluate a detector, or detections of any tool, on annotated images.

Read in this order: `options`, `evaluate` (the workflow of `evaluate` and
`score`), `detection` (the detector over all images), `evaluate_predictions` (detections against
ground truth), `predictions` (files of detections in the formats of other tools), `operating_point`
(score thresholds chosen for a run), and `page` with its parts: `explorer`, `diagnosis_tables`,
`gallery` and `plots`.
"""
