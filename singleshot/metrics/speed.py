"""How fast a detector is: from the seconds of single detections to their medians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Seconds", "Speed"]

MANY = 6  # rounds
CLEARLY = 0.75


class Seconds(NamedTuple):
    """Where the time of one detection went; phases are None where they cannot be told apart."""

    # Resizing and normalising, and searching for regions where that is done.
    preparing: float | None
    network: float | None
    choosing: float | None  # scores, decoding, suppression
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
    peak_memory_mb: float | None  # of the whole process so far; None where the system tells it not

    @classmethod
    def of(
        cls, batch: int, rounds: Sequence[Sequence[Seconds]], *, peak_memory_mb: float | None = None
    ) -> Speed:
        """The medians of the timings of some rounds, at least one of each."""
        timings = [one for turn in rounds for one in turn]
        totals = [1000 * one.total for one in timings]
        low, middle, high = (float(value) for value in np.quantile(totals, [0.25, 0.5, 0.75]))
        return cls(
            batch=batch,
            preprocess_ms=median_ms([one.preparing for one in timings]),
            network_ms=median_ms([one.network for one in timings]),
            postprocess_ms=median_ms([one.choosing for one in timings]),
            total_ms=middle,
            quartiles_ms=(low, high),
            rounds_ms=tuple(float(np.median([1000 * one.total for one in own])) for own in rounds),
            num_timings=len(timings),
            peak_memory_mb=peak_memory_mb,
        )

    @property
    def images_per_second(self) -> float:
        """Images of such batches that are done in a second."""
        return 1000 * self.batch / self.total_ms

    def is_faster(self, other: Speed) -> bool:
        """Whether it was faster in every round that both took part in, one after the other.

        Of two that are as fast, one is in six rounds of six with a chance of 1 in 32. Of fewer
        rounds each has to be clearly faster.
        """
        rounds = list(zip(self.rounds_ms, other.rounds_ms, strict=False))  # one may have had enough
        least = 1.0 if len(rounds) >= MANY else CLEARLY
        return all(own < least * others for own, others in rounds)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers under the names of the fields."""
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


def median_ms(seconds: Sequence[float | None]) -> float | None:
    """None if any is unknown."""
    known = [one for one in seconds if one is not None]
    return 1000 * float(np.median(known)) if len(known) == len(seconds) else None
