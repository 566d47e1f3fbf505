"""Detect objects in image files, and draw them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from singleshot.data.images import read_image
from singleshot.drawing import draw_boxes, save_image
from singleshot.evaluation.operating_point import operating_point
from singleshot.metrics import DEFAULT_SCORE_THRESHOLD
from singleshot.models.opening import as_detector
from singleshot.options import takes
from singleshot.prediction.options import PredictionOptions
from singleshot.structures import Detections, Detector, Prediction

__all__ = ["predict", "run_prediction"]


@takes(PredictionOptions)
def predict(model: Detector | str | Path, options: PredictionOptions) -> list[Prediction]:
    """Detect objects in images.

    Args:
        model: anything with `detect` and `class_names`, or a run folder or checkpoint.

    Raises:
        DataError: an image is missing or broken.
    """
    return run_prediction(model, options)


def run_prediction(model: Detector | str | Path, options: PredictionOptions) -> list[Prediction]:
    """Detect as `predict` does, with options that are made already."""
    keep = detection_filter(model, options)
    detector = as_detector(model, options.device)
    images, drawings = options.images, options.drawings
    results = []
    for index, path in enumerate(images):
        image = read_image(path)
        detections = keep(detector.detect([image])[0])
        if drawings is not None:
            drawings[index].parent.mkdir(parents=True, exist_ok=True)
            save_image(draw_boxes(image, detections, detector.class_names), drawings[index])
        height, width = image.shape[-2:]
        results.append(Prediction(path, width, height, detections, tuple(detector.class_names)))
        if options.on_result is not None:
            options.on_result(results[-1])
    return results


def detection_filter(
    model: Detector | str | Path, options: PredictionOptions
) -> Callable[[Detections], Detections]:
    """Choose what to keep: from the given score, the thresholds of the run, or the default."""
    threshold = options.score_threshold
    if threshold is None and isinstance(model, str | Path):
        chosen = operating_point(model, on_message=options.on_message)
        if chosen is not None:
            return chosen.keep
    lowest = DEFAULT_SCORE_THRESHOLD if threshold is None else threshold
    return lambda detections: detections[detections.scores >= lowest]
