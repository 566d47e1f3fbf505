"""Why a detector is wrong, all of it: what a report shows beside the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from singleshot.metrics.average_precision import mean_of_defined
from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.curves import Curve
from singleshot.metrics.diagnosis.calibration import Calibration
from singleshot.metrics.diagnosis.error_gains import ErrorGain
from singleshot.metrics.diagnosis.error_types import Errors, ErrorType
from singleshot.metrics.diagnosis.hardest import HardImage, find_hardest
from singleshot.metrics.diagnosis.slices import Slice
from singleshot.metrics.diagnosis.suspects import Suspect, find_suspects
from singleshot.metrics.diagnosis.verdicts import Judge
from singleshot.metrics.hits import Hits
from singleshot.metrics.miss_rate import FEWEST_IMAGES, log_average_miss_rate
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
    miss_rates: tuple[
        float | None, ...
    ]  # of each class, log-average; None without truths or 100 images
    errors: tuple[ErrorGain, ...]  # the six types of TIDE, in the order of ErrorType
    totals: tuple[ErrorGain, ...]  # all false positives, all misses
    confusion: Int64[np.ndarray, "rows columns"]  # annotated x found; the last is "nothing"
    calibration: Calibration | None  # None without detections to judge it by
    slices: tuple[Slice, ...]
    hardest: tuple[HardImage, ...]  # worst first, at most 20
    suspects: tuple[Suspect, ...]  # by turns one of each kind, at most 100
    kept: Predictions  # the detections kept at the score thresholds, best first
    kept_hits: Hits  # the fate of each of those
    kept_errors: Errors  # what is wrong with each of those, and which truths are missed

    image_names: Sequence[str]  # of the images, empty if they have none

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, no per-detection arrays; images by index, and by name if they have one.

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
    """An entry about an image, and what the image is called."""
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
    their class are kept (take `Report.score_thresholds`); `Diagnosis` says what is about those and
    what about all. `attributes` are values of the images, "" where unknown: {"light": ("day", …)}
    """
    judge = Judge(truths, len(class_names), protocol, iou_threshold)
    everything = judge.all(predictions)
    kept = judge.kept(everything, score_thresholds)
    curves, gains = judge.curves(everything), judge.gains(everything)
    about_kept = kept.predictions, truths, kept.hits
    return Diagnosis(
        class_names=tuple(class_names),
        protocol=protocol,
        iou_threshold=iou_threshold,
        score_thresholds=score_thresholds,
        average_precision=mean_of_defined(protocol.average_precisions(curves)),
        miss_rates=miss_rates(curves, truths.num_images),
        errors=gains[: len(ErrorType)],
        totals=gains[len(ErrorType) :],
        confusion=judge.confusion(kept),
        calibration=judge.calibration(everything),
        slices=judge.slices(everything, score_thresholds, attributes or {}),
        hardest=find_hardest(*about_kept, ignore=judge.ignore),
        suspects=find_suspects(*about_kept, kept.errors, kept.neighbours, ignore=judge.ignore),
        kept=kept.predictions,
        kept_hits=kept.hits,
        kept_errors=kept.errors,
        image_names=image_names,
    )


def miss_rates(curves: Sequence[Curve | None], num_images: int) -> tuple[float | None, ...]:
    """Log-average miss rate of each class, on images enough to tell."""
    enough = num_images >= FEWEST_IMAGES
    return tuple(
        log_average_miss_rate(curve, num_images) if enough and curve is not None else None
        for curve in curves
    )
