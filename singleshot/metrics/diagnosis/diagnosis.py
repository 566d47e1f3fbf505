"""All of the analysis of errors that a report shows beside the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from singleshot.metrics.average_precision import mean_of_defined
from singleshot.metrics.curves import Curve, count_truths, curves_per_class
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.diagnosis.calibration import Calibration, calibrate
from singleshot.metrics.diagnosis.confusion import count_confusions
from singleshot.metrics.diagnosis.error_gains import ErrorGain, error_gains
from singleshot.metrics.diagnosis.error_types import Errors, ErrorType, classify_errors
from singleshot.metrics.diagnosis.hardest import HardImage, find_hardest
from singleshot.metrics.diagnosis.neighbours import find_neighbours
from singleshot.metrics.diagnosis.slices import Slice, find_slices
from singleshot.metrics.diagnosis.suspects import Suspect, find_suspects
from singleshot.metrics.miss_rate import FEWEST_IMAGES, log_average_miss_rate
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.voc_matching import Outcomes, find_true_positives

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True)
class Diagnosis:
    """Analysis of the errors of a detector.

    About all detections: `average_precision`, `miss_rates`, `errors`, `totals`, `calibration` and
    the slices' average precision. All else is about the detections kept at the score thresholds.
    """

    class_names: tuple[str, ...]
    protocol: Protocol
    iou_threshold: float
    score_thresholds: Float64[np.ndarray, " num_classes"]
    average_precision: float | None  # mean over classes with truths, at the IoU threshold
    miss_rates: tuple[float | None, ...]  # log-average, a class; None without truths or 100 images
    errors: tuple[ErrorGain, ...]  # the six types of TIDE, in the order of ErrorType
    totals: tuple[ErrorGain, ...]  # all false positives, all false negatives
    confusion: Int64[np.ndarray, "rows columns"]  # annotated x found; the last is "nothing"
    calibration: Calibration | None  # None without detections
    slices: tuple[Slice, ...]
    hardest: tuple[HardImage, ...]  # worst first, at most 20
    suspects: tuple[Suspect, ...]  # by turns one of each kind, at most 100
    kept: Predictions  # the detections kept at the score thresholds, best first
    kept_outcomes: Outcomes  # of each of those
    kept_errors: Errors  # of each of those, and the truths missed

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
    """Add the name of the image to an entry about it."""
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
    """Analyse the errors of a detector.

    True positives are VOC's at one IoU threshold, whatever the protocol; the protocol decides what
    is ignored and how average precision is computed. Detections with at least the score threshold
    of their class are kept (see `Report.score_thresholds`). `attributes` are values of the images,
    "" where unknown: {"light": ("day", …)}
    """
    ignore = protocol.ignores(truths)
    rules: Any = {"ignore": ignore, "iou_threshold": iou_threshold}
    # Curves are drawn many times, and sorting what is sorted costs little.
    predictions = predictions[np.argsort(-predictions.scores, kind="stable")]
    outcomes = find_true_positives(predictions, truths, **rules)
    neighbours = find_neighbours(predictions, truths, ignore=ignore)
    errors = classify_errors(neighbours, outcomes, **rules)
    num_truths = count_truths(truths, len(class_names), ignore=ignore)
    curves = curves_per_class(predictions, outcomes, num_truths)
    gains = error_gains(
        predictions,
        truths,
        outcomes,
        errors,
        ignore=ignore,
        num_classes=len(class_names),
        protocol=protocol,
    )
    counted = ~outcomes.ignored

    # The surest detection of a truth is its true positive, so that less sure ones do not matter.
    sure = predictions.scores >= score_thresholds[predictions.labels]
    kept, kept_neighbours = predictions[sure], neighbours[sure]
    kept_outcomes = Outcomes(outcomes.truths[sure], outcomes.ignored[sure])
    kept_errors = classify_errors(kept_neighbours, kept_outcomes, **rules)
    return Diagnosis(
        class_names=tuple(class_names),
        protocol=protocol,
        iou_threshold=iou_threshold,
        score_thresholds=score_thresholds,
        average_precision=mean_of_defined(protocol.average_precisions(curves)),
        miss_rates=miss_rates(curves, truths.num_images),
        errors=gains[: len(ErrorType)],
        totals=gains[len(ErrorType) :],
        confusion=count_confusions(kept, truths, kept_outcomes, len(class_names), **rules),
        calibration=calibrate(predictions.scores[counted], outcomes.true_positive[counted]),
        slices=find_slices(
            predictions,
            truths,
            len(class_names),
            protocol=protocol,
            iou_threshold=iou_threshold,
            score_thresholds=score_thresholds,
            attributes=attributes or {},
        ),
        hardest=find_hardest(kept, truths, kept_outcomes, ignore=ignore),
        suspects=find_suspects(
            kept, truths, kept_outcomes, kept_errors, kept_neighbours, ignore=ignore
        ),
        kept=kept,
        kept_outcomes=kept_outcomes,
        kept_errors=kept_errors,
        image_names=image_names,
    )


def miss_rates(curves: Sequence[Curve | None], num_images: int) -> tuple[float | None, ...]:
    """Compute the log-average miss rate of each class, None on too few images."""
    enough = num_images >= FEWEST_IMAGES
    return tuple(
        log_average_miss_rate(curve, num_images) if enough and curve is not None else None
        for curve in curves
    )
