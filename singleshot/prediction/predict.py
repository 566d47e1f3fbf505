"""Detect objects in images, and draw them."""

from __future__ import annotations

from collections.abc import Callable

from singleshot.cores import sharing_cores
from singleshot.data.image_files.inputs import as_tensor
from singleshot.drawing import draw_boxes, save_image
from singleshot.errors import DataError
from singleshot.metrics import DEFAULT_SCORE_THRESHOLD
from singleshot.prediction.options import PredictionOptions
from singleshot.prediction.result import Result
from singleshot.structures import Detections, Detector

__all__ = ["detection_filter", "predict_with"]


def predict_with(detector: Detector, options: PredictionOptions) -> list[Result]:
    """Detect objects in images with a detector that is loaded."""
    with sharing_cores(options.on_message):
        return _results(detector, options)


def _results(detector: Detector, options: PredictionOptions) -> list[Result]:
    """Detect in one image after the other."""
    keep = detection_filter(detector, options.score_threshold, options.on_message)
    drawings, class_names = options.drawings, tuple(detector.class_names)
    results = []
    for index, given in enumerate(options.images):
        try:
            image = as_tensor(given, f"image {index}")
        except DataError as error:
            if options.on_broken is None:
                raise
            options.on_broken(error)
            continue
        detections = keep(detector.detect([image])[0])
        if drawings is not None:
            drawings[index].parent.mkdir(parents=True, exist_ok=True)
            save_image(draw_boxes(image, detections, class_names), drawings[index])
        height, width = image.shape[-2:]
        results.append(Result(given, width, height, detections, class_names))
        if options.on_result is not None:
            options.on_result(results[-1])
    return results


def detection_filter(
    detector: Detector,
    score_threshold: float | None,
    on_message: Callable[[str], None] | None = None,
) -> Callable[[Detections], Detections]:
    """Choose what to keep: from the given score, the thresholds of the run, or the default."""
    score_thresholds = getattr(detector, "score_thresholds", None)
    if score_threshold is None and score_thresholds is not None:
        chosen = score_thresholds(on_message)
        if chosen is not None:
            keep: Callable[[Detections], Detections] = chosen.keep
            return keep
    lowest = DEFAULT_SCORE_THRESHOLD if score_threshold is None else score_threshold
    return lambda detections: detections[detections.scores >= lowest]
