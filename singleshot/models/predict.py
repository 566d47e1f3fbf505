"""Detect objects in images with a model: a run, a checkpoint or a detector."""

from __future__ import annotations

from singleshot.models.locating import Model
from singleshot.models.opening import as_detector
from singleshot.options import takes
from singleshot.prediction.options import PredictionOptions
from singleshot.prediction.predict import predict_with
from singleshot.prediction.result import Result

__all__ = ["predict", "run_prediction"]


@takes(PredictionOptions)
def predict(model: Model, options: PredictionOptions) -> list[Result]:
    """Detect objects in images.

    Args:
        model: anything with `detect` and `class_names`, or a run folder or checkpoint.

    Raises:
        DataError: an image is missing, or broken and there is no `on_broken`.
    """
    return run_prediction(model, options)


def run_prediction(model: Model, options: PredictionOptions) -> list[Result]:
    """Detect as `predict` does, with options that are made already."""
    return predict_with(as_detector(model, options.device), options)
