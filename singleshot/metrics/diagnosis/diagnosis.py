"""Why a detector is wrong, all of it: what a report shows beside the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.diagnosis.calibration import Calibration
from singleshot.metrics.diagnosis.error_gains import ErrorGain
from singleshot.metrics.diagnosis.error_types import Errors
from singleshot.metrics.diagnosis.hardest import HardPicture
from singleshot.metrics.diagnosis.slices import Slice
from singleshot.metrics.diagnosis.suspects import Suspect
from singleshot.metrics.hits import Hits
from singleshot.metrics.protocol import Protocol

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True)
class Diagnosis:
    """Why a detector is wrong.

    What is said of all detections: `average_precision`, `errors`, `totals`, `calibration` and the
    slices' average precision. All else is about the detections kept at the score thresholds.
    """

    class_names: tuple[str, ...]
    protocol: Protocol
    iou_threshold: float
    score_thresholds: Float64[np.ndarray, " num_classes"]
    average_precision: float | None  # mean over classes with truths, at the IoU threshold
    errors: tuple[ErrorGain, ...]  # the six types of TIDE, in the order of ErrorType
    totals: tuple[ErrorGain, ...]  # all false alarms, all misses
    confusion: Int64[np.ndarray, "rows columns"]  # annotated x found; the last is "nothing"
    calibration: Calibration | None  # None without detections that count
    slices: tuple[Slice, ...]
    hardest: tuple[HardPicture, ...]  # worst first, at most 20
    suspects: tuple[Suspect, ...]  # surest first, at most 100
    kept: Predictions  # the detections kept at the score thresholds
    kept_hits: Hits  # the fate of each of those
    kept_errors: Errors  # what is wrong with each of those, and which truths are missed

    def to_json(self, names: Sequence[str] = ()) -> dict[str, Any]:
        """Plain numbers, no per-detection arrays; pictures by index, and by name where given."""
        raise NotImplementedError


def diagnose(
    predictions: Predictions,
    truths: Truths,
    class_names: Sequence[str],
    *,
    protocol: Protocol,
    iou_threshold: float = 0.5,
    score_thresholds: Float64[np.ndarray, " num_classes"],
    attributes: Mapping[str, Sequence[str]] | None = None,
) -> Diagnosis:
    """Find out why a detector is wrong."""
    raise NotImplementedError
