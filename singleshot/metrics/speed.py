"""Speed of a detector: medians over the seconds of single detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Seconds", "Speed"]

ENOUGH_ROUNDS = 6
CLEARLY_FASTER = 0.75  # of the time of the other


class Seconds(NamedTuple):
    """Seconds of one detection by phase; phases are None where only the total is known."""

    # Resizing and normalising; selective search where the detector needs it.
    preprocess: float | None
    network: float | None
    postprocess: float | None  # scores, decoding, NMS
    total: float


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over detections of batches of one size; those of phases need not add up."""

    batch: int
    preprocess_ms: float | None
    network_ms: float | None
    postprocess_ms: float | None
    total_ms: float  # of the whole batch
    quartiles_ms: tuple[float, float]  # a quarter of the totals lies below, a quarter above
    rounds_ms: tuple[float, ...]  # the median total of each round
    num_timings: int
    peak_memory_mb: float | None  # of the whole process so far; None where unknown

    @classmethod
    def of(
        cls, batch: int, rounds: Sequence[Sequence[Seconds]], *, peak_memory_mb: float | None = None
    ) -> Speed:
        """Compute medians from the timings of some rounds, at least one each."""
        timings = [one for turn in rounds for one in turn]
        totals = [1000 * one.total for one in timings]
        low, middle, high = (float(value) for value in np.quantile(totals, [0.25, 0.5, 0.75]))
        return cls(
            batch=batch,
            preprocess_ms=_median_ms([one.preprocess for one in timings]),
            network_ms=_median_ms([one.network for one in timings]),
            postprocess_ms=_median_ms([one.postprocess for one in timings]),
            total_ms=middle,
            quartiles_ms=(low, high),
            rounds_ms=tuple(float(np.median([1000 * one.total for one in own])) for own in rounds),
            num_timings=len(timings),
            peak_memory_mb=peak_memory_mb,
        )

    @property
    def images_per_second(self) -> float:
        """Images a second in batches of this size."""
        return 1000 * self.batch / self.total_ms

    def is_faster(self, other: Speed) -> bool:
        """Return True if this was the faster in every round that both took part in.

        Of two equally fast detectors one is so in six rounds with a probability of 1 in 32. With
        fewer rounds it has to take at most three quarters of the time in each.
        """
        # One of the two may have reached its time limit earlier.
        rounds = list(zip(self.rounds_ms, other.rounds_ms, strict=False))
        factor = 1.0 if len(rounds) >= ENOUGH_ROUNDS else CLEARLY_FASTER
        return all(own < factor * others for own, others in rounds)

    def to_json(self) -> dict[str, Any]:
        """Convert to plain numbers under the names of the fields."""
        return {
            "batch": self.batch,
            "preprocess_ms": self.preprocess_ms,
            "network_ms": self.network_ms,
            "postprocess_ms": self.postprocess_ms,
            "total_ms": self.total_ms,
            "quartiles_ms": list(self.quartiles_ms),
            "rounds_ms": list(self.rounds_ms),
            "images_per_second": self.images_per_second,
            "num_timings": self.num_timings,
            "peak_memory_mb": self.peak_memory_mb,
        }


def _median_ms(seconds: Sequence[float | None]) -> float | None:
    """Return the median in milliseconds, None if any value is unknown."""
    known = [one for one in seconds if one is not None]
    return 1000 * float(np.median(known)) if len(known) == len(seconds) else None
