"""The numbers of one evaluation, and their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from singleshot.metrics.coco import CocoNumbers
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

    @property
    def score_thresholds(self) -> Float64[np.ndarray, " num_classes"]:
        """Score from which to keep each class, for the best F1; infinite where none is worth it."""
        bests = (numbers.best_f1.score_threshold for numbers in self.per_class.values())
        return np.array([np.inf if best is None else best for best in bests])

    def to_json(self) -> dict[str, Any]:
        """What `evaluate --json` prints; the key `coco` is there with that protocol only."""
        document = asdict(self)
        document["protocol"] = self.protocol.value
        for name, numbers in self.per_class.items():
            document["per_class"][name] |= {
                "precision_at_recall": with_text_keys(numbers.precision_at_recall),
                "recall_at_precision": with_text_keys(numbers.recall_at_precision),
                "best_f1": numbers.best_f1._asdict(),
            }
        del document["coco"]
        return document if self.coco is None else {**document, "coco": self.coco._asdict()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Report:
        """Undo `to_json`."""
        per_class = {name: class_from_json(one) for name, one in document["per_class"].items()}
        coco = CocoNumbers(**document["coco"]) if "coco" in document else None
        protocol = Protocol(document["protocol"])
        own = {"protocol": protocol, "per_class": per_class, "coco": coco}
        return cls(**{**document, **own})


def class_from_json(document: Mapping[str, Any]) -> ClassReport:
    """Undo what `Report.to_json` does to one class."""
    own = {
        "precision_at_recall": with_number_keys(document["precision_at_recall"]),
        "recall_at_precision": with_number_keys(document["recall_at_precision"]),
        "best_f1": BestF1(**document["best_f1"]),
    }
    return ClassReport(**{**document, **own})


def with_text_keys(numbers: Mapping[float, float | None]) -> dict[str, float | None]:
    """JSON has no other keys."""
    return {str(target): value for target, value in numbers.items()}


def with_number_keys(numbers: Mapping[str, float | None]) -> dict[float, float | None]:
    """Undo `with_text_keys`."""
    return {float(target): value for target, value in numbers.items()}
