"""What mean average precision would gain if one kind of error did not happen (TIDE §2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from singleshot.metrics.diagnosis.error_types import ErrorType

__all__ = ["ErrorGain", "ErrorTotal"]


class ErrorTotal(StrEnum):
    """All errors of one side together (TIDE §2.3, "special errors")."""

    FALSE_ALARMS = "false alarms"  # every detection that is no hit
    MISSES = "misses"  # every truth that is not hit: more than the type MISSED


@dataclass(frozen=True, slots=True)
class ErrorGain:
    """How many errors of one kind there are, and what fixing all of them would gain."""

    error: ErrorType | ErrorTotal
    count: int  # detections; for MISSED and MISSES, truths
    gain: float | None  # mean AP with these errors fixed - mean AP, 0-1; None without truths
