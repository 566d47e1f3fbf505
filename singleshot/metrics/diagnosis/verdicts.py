"""What is right and what is wrong about each detection, and the numbers that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.curves import Curve, count_truths, curves_per_class
from singleshot.metrics.diagnosis.calibration import Calibration, calibrate
from singleshot.metrics.diagnosis.confusion import count_confusions
from singleshot.metrics.diagnosis.error_gains import ErrorGain, error_gains
from singleshot.metrics.diagnosis.error_types import Errors, classify_errors
from singleshot.metrics.diagnosis.neighbours import Neighbours, find_neighbours
from singleshot.metrics.diagnosis.slices import Slice, find_slices
from singleshot.metrics.hits import Hits, find_hits
from singleshot.metrics.protocol import Protocol

__all__ = ["Judge", "Verdicts"]


class Verdicts(NamedTuple):
    """Detections, best first, and of each its fate, what it overlaps and what is wrong with it."""

    predictions: Predictions
    hits: Hits
    neighbours: Neighbours
    errors: Errors


@dataclass(frozen=True, slots=True)
class Judge:
    """What detections are judged by."""

    truths: Truths
    num_classes: int
    protocol: Protocol
    iou_threshold: float

    @property
    def ignore(self) -> Bool[np.ndarray, " m"]:
        """Truths that reward and punish nobody."""
        return self.protocol.ignores(self.truths)

    def all(self, predictions: Predictions) -> Verdicts:
        """On all detections."""
        # Curves are drawn many times, and sorting what is sorted costs little.
        predictions = predictions[np.argsort(-predictions.scores, kind="stable")]
        ignore, iou_threshold = self.ignore, self.iou_threshold
        hits = find_hits(predictions, self.truths, ignore=ignore, iou_threshold=iou_threshold)
        neighbours = find_neighbours(predictions, self.truths, ignore=ignore)
        errors = classify_errors(neighbours, hits, ignore=ignore, iou_threshold=iou_threshold)
        return Verdicts(predictions, hits, neighbours, errors)

    def kept(
        self, everything: Verdicts, score_thresholds: Float64[np.ndarray, " num_classes"]
    ) -> Verdicts:
        """On the detections with at least the score threshold of their class, as if alone."""
        predictions, hits, neighbours, _ = everything
        kept = predictions.scores >= score_thresholds[predictions.labels]
        # A truth is hit by the surest detection on it, so that less sure ones do not matter.
        hits, near = Hits(hits.truths[kept], hits.ignored[kept]), neighbours[kept]
        errors = classify_errors(near, hits, ignore=self.ignore, iou_threshold=self.iou_threshold)
        return Verdicts(predictions[kept], hits, near, errors)

    def curves(self, verdicts: Verdicts) -> list[Curve | None]:
        """Of each class; None without truths."""
        num_truths = count_truths(self.truths, self.num_classes, ignore=self.ignore)
        return curves_per_class(verdicts.predictions, verdicts.hits, num_truths)

    def gains(self, verdicts: Verdicts) -> tuple[ErrorGain, ...]:
        """Of each error type, then of each total."""
        return error_gains(
            verdicts.predictions,
            self.truths,
            verdicts.hits,
            verdicts.errors,
            ignore=self.ignore,
            num_classes=self.num_classes,
            protocol=self.protocol,
        )

    def calibration(self, verdicts: Verdicts) -> Calibration | None:
        """Of the detections that count."""
        counted = ~verdicts.hits.ignored
        return calibrate(verdicts.predictions.scores[counted], verdicts.hits.hit[counted])

    def confusion(self, verdicts: Verdicts) -> Int64[np.ndarray, "rows columns"]:
        """What is taken for what."""
        return count_confusions(
            verdicts.predictions,
            self.truths,
            verdicts.hits,
            self.num_classes,
            ignore=self.ignore,
            iou_threshold=self.iou_threshold,
        )

    def slices(
        self,
        verdicts: Verdicts,
        score_thresholds: Float64[np.ndarray, " num_classes"],
        attributes: Mapping[str, Sequence[str]],
    ) -> tuple[Slice, ...]:
        """Of all detections, with recall at the score thresholds."""
        return find_slices(
            verdicts.predictions,
            self.truths,
            self.num_classes,
            protocol=self.protocol,
            iou_threshold=self.iou_threshold,
            score_thresholds=score_thresholds,
            attributes=attributes,
        )
