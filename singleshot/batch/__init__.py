"""Predict on images by the million, with an engine that shares out the work: Ray Data or Spark.

Read `predictor` (columns of images in, columns of detections out), then `results` (the detections
of all workers as one COCO results file, continued after an interruption).
"""

from singleshot.batch.predictor import Predictor
from singleshot.batch.results import BatchSummary, finished_images, write_coco_results

__all__ = ["BatchSummary", "Predictor", "finished_images", "write_coco_results"]
