"""What is wrong with each false alarm and each miss: the six error types of TIDE.

Bolya, Foley, Hays and Hoffman 2020, "TIDE: A General Toolbox for Identifying Object Detection
Errors", §2.2, in the order in which its code (tidecv, quantify.py) asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Int64

__all__ = ["ErrorType", "Errors"]


class ErrorType(StrEnum):
    """Why a detection is a false alarm, or a truth a miss; t is the IoU threshold."""

    CLASS = "class"  # IoU >= t with a truth of another class
    LOCALIZATION = "localization"  # 0.1 <= IoU <= t with a truth of its own class
    BOTH = "both"  # 0.1 < IoU < t with a truth of another class
    DUPLICATE = "duplicate"  # IoU >= t with a truth that a surer detection hit
    BACKGROUND = "background"  # IoU <= 0.1 with every truth
    MISSED = "missed"  # a truth that no hit, class or localization error is about


ERROR_TYPES = tuple(ErrorType)


@dataclass(frozen=True, slots=True)
class Errors:
    """What is wrong with each detection, and which truths nothing comes near."""

    types: Int64[np.ndarray, " n"]  # index into tuple(ErrorType); -1 for hits and ignored ones
    truths: Int64[np.ndarray, " n"]  # index of the truth it is about; -1 for background and hits
    missed: Bool[np.ndarray, " m"]  # truths that are MISSED

    def are(self, error: ErrorType) -> Bool[np.ndarray, " n"]:
        """Which detections have this error; none is MISSED, as those are truths."""
        return np.asarray(self.types == ERROR_TYPES.index(error))

    def count(self, error: ErrorType) -> int:
        """How many detections have this error; for MISSED, how many truths."""
        wrong = self.missed if error is ErrorType.MISSED else self.are(error)
        return int(wrong.sum())
