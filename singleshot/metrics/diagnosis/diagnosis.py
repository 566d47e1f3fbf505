"""Why a detector is wrong, all of it: what a report shows beside the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.curves import curves_per_class
from singleshot.metrics.diagnosis.calibration import Calibration, calibrate
from singleshot.metrics.diagnosis.confusion import count_confusions
from singleshot.metrics.diagnosis.error_gains import ErrorGain, error_gains
from singleshot.metrics.diagnosis.error_types import Errors, ErrorType, classify_errors
from singleshot.metrics.diagnosis.hardest import HardPicture, find_hardest
from singleshot.metrics.diagnosis.neighbours import find_neighbours
from singleshot.metrics.diagnosis.slices import Slice, find_slices, mean_average_precision
from singleshot.metrics.diagnosis.suspects import Suspect, find_suspects
from singleshot.metrics.hits import Hits, find_hits
from singleshot.metrics.miss_rate import log_average_miss_rate
from singleshot.metrics.protocol import Protocol

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True)
class Diagnosis:
    """Why a detector is wrong.

    What is said of all detections: `average_precision`, `miss_rates`, `errors`, `totals`,
    `calibration` and the slices' average precision. All else is about the detections kept at the
    score thresholds.
    """

    class_names: tuple[str, ...]
    protocol: Protocol
    iou_threshold: float
    score_thresholds: Float64[np.ndarray, " num_classes"]
    average_precision: float | None  # mean over classes with truths, at the IoU threshold
    miss_rates: tuple[float | None, ...]  # of each class, log-average; None without truths
    errors: tuple[ErrorGain, ...]  # the six types of TIDE, in the order of ErrorType
    totals: tuple[ErrorGain, ...]  # all false alarms, all misses
    confusion: Int64[np.ndarray, "rows columns"]  # annotated x found; the last is "nothing"
    calibration: Calibration | None  # None without detections that count
    slices: tuple[Slice, ...]
    hardest: tuple[HardPicture, ...]  # worst first, at most 20
    suspects: tuple[Suspect, ...]  # surest first, at most 100
    kept: Predictions  # the detections kept at the score thresholds, best first
    kept_hits: Hits  # the fate of each of those
    kept_errors: Errors  # what is wrong with each of those, and which truths are missed

    image_names: Sequence[str]  # of the pictures, empty if they have none

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, no per-detection arrays; pictures by index, and by name if they have one.

        `null` where undefined, and for a score threshold that keeps nothing.
        """
        return {
            "class_names": list(self.class_names),
            "protocol": self.protocol.value,
            "iou_threshold": self.iou_threshold,
            "score_thresholds": [
                value if np.isfinite(value) else None for value in self.score_thresholds.tolist()
            ],
            "average_precision": self.average_precision,
            "log_average_miss_rates": dict(zip(self.class_names, self.miss_rates, strict=True)),
            "errors": [asdict(one) for one in self.errors],
            "totals": [asdict(one) for one in self.totals],
            "errors_at_score_thresholds": {
                error.value: self.kept_errors.count(error) for error in ErrorType
            },
            "confusion": self.confusion.tolist(),
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "slices": [one._asdict() for one in self.slices],
            "hardest": [with_name(one._asdict(), self.image_names) for one in self.hardest],
            "suspects": [
                with_name({**one._asdict(), "label": self.class_names[one.label]}, self.image_names)
                for one in self.suspects
            ],
        }


def with_name(entry: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """An entry about a picture, and what the picture is called."""
    return {"name": names[entry["image"]], **entry} if names else entry


def diagnose(
    predictions: Predictions,
    truths: Truths,
    class_names: Sequence[str],
    *,
    protocol: Protocol,
    iou_threshold: float = 0.5,
    score_thresholds: Float64[np.ndarray, " num_classes"],
    attributes: Mapping[str, Sequence[str]] | None = None,
    image_names: Sequence[str] = (),
) -> Diagnosis:
    """Find out why a detector is wrong.

    Hits are VOC's at one IoU threshold, whatever the protocol; the protocol decides what is
    ignored and how average precision is taken. Detections with at least the score threshold of
    their class are kept (`np.inf` keeps none); `Diagnosis` says what is about those and what about
    all. `attributes` are values of the pictures, "" where unknown: {"light": ("day", "night", …)}.
    """
    # Curves are drawn many times, and sorting what is sorted costs little.
    predictions = predictions[np.argsort(-predictions.scores, kind="stable")]
    num_classes, ignore = len(class_names), protocol.ignores(truths)
    hits = find_hits(predictions, truths, ignore=ignore, iou_threshold=iou_threshold)
    neighbours = find_neighbours(predictions, truths, ignore=ignore)
    errors = classify_errors(neighbours, hits, ignore=ignore, iou_threshold=iou_threshold)
    gains = error_gains(
        predictions, truths, hits, errors, ignore=ignore, num_classes=num_classes, protocol=protocol
    )
    num_truths = np.bincount(truths.labels[~ignore], minlength=num_classes).tolist()

    is_kept = predictions.scores >= score_thresholds[predictions.labels]
    kept, near = predictions[is_kept], neighbours[is_kept]
    # A truth is hit by the surest detection on it, so that less sure ones change nothing of this.
    kept_hits = Hits(hits.truths[is_kept], hits.ignored[is_kept])
    kept_errors = classify_errors(near, kept_hits, ignore=ignore, iou_threshold=iou_threshold)
    return Diagnosis(
        class_names=tuple(class_names),
        protocol=protocol,
        iou_threshold=iou_threshold,
        score_thresholds=score_thresholds,
        average_precision=mean_average_precision(predictions, hits, num_truths, protocol=protocol),
        miss_rates=tuple(
            None if curve is None else log_average_miss_rate(curve, truths.num_images)
            for curve in curves_per_class(predictions, hits, num_truths)
        ),
        errors=gains[: len(ErrorType)],
        totals=gains[len(ErrorType) :],
        confusion=count_confusions(
            kept, truths, kept_hits, num_classes, ignore=ignore, iou_threshold=iou_threshold
        ),
        calibration=calibrate(predictions.scores[~hits.ignored], hits.hit[~hits.ignored]),
        slices=find_slices(
            predictions,
            truths,
            num_classes,
            protocol=protocol,
            iou_threshold=iou_threshold,
            score_thresholds=score_thresholds,
            attributes=attributes or {},
        ),
        hardest=find_hardest(kept, truths, kept_hits, ignore=ignore),
        suspects=find_suspects(kept, truths, kept_hits, kept_errors, near, ignore=ignore),
        kept=kept,
        kept_hits=kept_hits,
        kept_errors=kept_errors,
        image_names=image_names,
    )
