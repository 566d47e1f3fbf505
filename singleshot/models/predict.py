"""Detect objects in images and videos with a model: a run, a checkpoint or a detector."""

from __future__ import annotations

from collections.abc import Iterator

from singleshot.models.locating import Model
from singleshot.models.opening import as_detector
from singleshot.options import takes
from singleshot.prediction.options import PredictionOptions
from singleshot.prediction.predict import Results, iterate_predictions, predict_with
from singleshot.prediction.result import Result

__all__ = ["predict", "run_prediction"]


@takes(PredictionOptions)
def predict(model: Model, options: PredictionOptions) -> Results:
    """Detect objects in images and videos.

    Images give a list. With a video, camera or stream among the sources it is an iterator, which
    reads on as results are taken, in constant memory.

    Args:
        model: anything with `detect` and `class_names`, or a run folder or checkpoint.

    Raises:
        DataError: an image or video is missing, or broken and there is no `on_broken`.
        RunFailed: a stream broke, and could not be connected to again in time.
    """
    return predict_with(as_detector(model, options.device), options)


def run_prediction(model: Model, options: PredictionOptions) -> Iterator[Result]:
    """Detect as `predict` does, with options that are made already and results one by one."""
    return iterate_predictions(as_detector(model, options.device), options)
