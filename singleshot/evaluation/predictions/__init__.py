"""Predictions as files: ours, and everybody else's."""

from singleshot.evaluation.predictions.gather import ReadPredictions
from singleshot.evaluation.predictions.load import load_predictions
from singleshot.evaluation.predictions.save import save_predictions

__all__ = ["ReadPredictions", "load_predictions", "save_predictions"]
