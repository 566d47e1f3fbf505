"""Do scores mean what they say? Of detections with score 0.8, four in five should be hits."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Calibration", "ScoreBin"]


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Detections with scores in a range: one bar of a reliability diagram."""

    low: float
    high: float
    count: int
    mean_score: float | None  # None in an empty bin
    share_of_hits: float | None  # None in an empty bin


@dataclass(frozen=True)
class Calibration:
    """How far scores are from the share of hits, before and after temperature scaling."""

    bins: tuple[ScoreBin, ...]  # equally wide, from 0 to 1
    expected_error: float  # ECE: mean over detections of |mean score - share of hits| of their bin
    temperature: float  # above 1 where the detector is too sure of itself
    expected_error_after: float  # of the scores at that temperature
    negative_log_likelihood: float  # mean over detections, in nats
    negative_log_likelihood_after: float
