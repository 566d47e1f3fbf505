"""The numbers of one evaluation, and their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from singleshot.metrics.bootstrap import Comparison
from singleshot.metrics.chosen import OperatingPoint
from singleshot.metrics.coco import CocoNumbers
from singleshot.metrics.diagnosis import Diagnosis
from singleshot.metrics.operating_points import BestF1
from singleshot.metrics.protocol import Protocol

__all__ = ["ClassReport", "Report"]


@dataclass(frozen=True)
class ClassReport:
    """What a detector is worth for one class; without truths all is undefined, that is None."""

    average_precision: float | None  # with the COCO protocol, over all its IoU thresholds
    truths: int  # that count: not ignored by the protocol
    precision_at_recall: Mapping[float, float | None]
    recall_at_precision: Mapping[float, float | None]
    best_f1: BestF1

    def to_json(self) -> dict[str, Any]:
        """Plain numbers under the names of the fields."""
        return {
            "average_precision": self.average_precision,
            "truths": self.truths,
            "precision_at_recall": with_text_keys(self.precision_at_recall),
            "recall_at_precision": with_text_keys(self.recall_at_precision),
            "best_f1": self.best_f1._asdict(),
        }


@dataclass(frozen=True)
class Report:
    """What a detector is worth on a data set."""

    protocol: Protocol
    iou_threshold: float  # of a hit; COCO's own numbers have their own thresholds
    images: int
    truths: int
    detections: int
    mean_average_precision: float | None  # over classes with truths; with COCO its AP
    per_class: Mapping[str, ClassReport]
    coco: CocoNumbers | None  # with the COCO protocol only
    # What may be asked besides; None where it was not.
    diagnosis: Diagnosis | None = None
    comparison: Comparison | None = None
    operating_point: OperatingPoint | None = None

    @property
    def score_thresholds(self) -> Float64[np.ndarray, " num_classes"]:
        """Score from which to look at each class: that of the best F1.

        `DEFAULT_SCORE_THRESHOLD` for a class without a hit or without truths, so that its false
        alarms are seen.
        """
        return np.array([numbers.best_f1.kept_from for numbers in self.per_class.values()])

    def to_json(self) -> dict[str, Any]:
        """What `evaluate --json` prints; what was not measured or asked has no key."""
        document = {
            "protocol": self.protocol.value,
            "iou_threshold": self.iou_threshold,
            "images": self.images,
            "truths": self.truths,
            "detections": self.detections,
            "mean_average_precision": self.mean_average_precision,
            "per_class": {name: numbers.to_json() for name, numbers in self.per_class.items()},
        }
        if self.coco is not None:
            document["coco"] = self.coco._asdict()
        for name in ("diagnosis", "comparison", "operating_point"):
            if (asked := getattr(self, name)) is not None:
                document[name] = asked.to_json()
        return document


def with_text_keys(numbers: Mapping[float, float | None]) -> dict[str, float | None]:
    """JSON has no other keys."""
    return {str(target): value for target, value in numbers.items()}
