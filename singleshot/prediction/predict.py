"""Detect objects in image files, and draw them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from singleshot.data.images import read_image
from singleshot.drawing import draw_boxes, save_image
from singleshot.evaluation.operating_point import operating_point
from singleshot.metrics import DEFAULT_SCORE_THRESHOLD
from singleshot.models.opening import load
from singleshot.options import takes
from singleshot.prediction.options import PredictionOptions
from singleshot.structures import Detections, Detector

__all__ = ["Prediction", "predict"]


@dataclass(frozen=True)
class Prediction:
    """Detections in one image, best first, with the names of their classes."""

    image: Path
    width: int
    height: int
    detections: Detections
    class_names: tuple[str, ...]  # by label

    @property
    def boxes(self) -> Float[Tensor, "n 4"]:
        """(x1, y1, x2, y2) of each detection in pixels of the image."""
        return self.detections.boxes

    @property
    def scores(self) -> Float[Tensor, " n"]:
        """Score of each detection."""
        return self.detections.scores

    @property
    def labels(self) -> Int[Tensor, " n"]:
        """Label of each detection, an index into `class_names`."""
        return self.detections.labels

    @property
    def names(self) -> list[str]:
        """Class name of each detection."""
        return [self.class_names[label] for label in self.labels.tolist()]

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain numbers and names, as in the JSON of `singleshot predict`."""
        rows = zip(self.boxes.tolist(), self.names, self.scores.tolist(), strict=True)
        return {
            "image": str(self.image),
            "width": self.width,
            "height": self.height,
            "detections": [
                {"box": box, "label": name, "score": score} for box, name, score in rows
            ],
        }


@takes(PredictionOptions)
def predict(model: Detector | str | Path, options: PredictionOptions) -> list[Prediction]:
    """Detect objects in images.

    Args:
        model: anything with `detect` and `class_names`, or a run folder or checkpoint.

    Raises:
        DataError: an image is missing or broken.
    """
    keep = detection_filter(model, options)
    detector = load(model) if isinstance(model, str | Path) else model
    images, drawings = options.images, options.drawings()
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
