"""Evaluate a detector, or anyone's detections, on annotated images.

Read in this order: `options` (what can be asked for), `evaluate` (the workflow of `evaluate` and
`score`), `detection` (the detector over all images), `evaluate_predictions` (detections against
ground truth), `predictions` (files of detections in the formats of other tools), `operating_point`
(score thresholds chosen for a run), and `report` with the parts of its page.
"""
