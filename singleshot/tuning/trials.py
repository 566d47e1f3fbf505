"""Trials of a search: the best one, and the noise between seeds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Literal

__all__ = ["SEED_KEY", "Outcome", "SeedSpread", "Trial", "best_of", "spread_of"]

SEED_KEY = "training.seed"

Outcome = Literal["finished", "pruned", "failed", "killed", "running"]


@dataclass(frozen=True)
class Trial:
    """One training of a search."""

    number: int  # from 0, as its folder
    outcome: Outcome
    score: float | None  # the best validation: COCO's average precision over IoU 0.5 to 0.95
    values: Mapping[str, object]  # of the recipe's keys that are searched
    validations: Sequence[tuple[int, float]]  # (epoch, average precision)
    seconds: float | None
    reason: str = ""  # why it failed or was killed
    replaces: int | None = None  # the killed trial with these values
    is_start: bool = False  # the recipe without changes


@dataclass(frozen=True)
class SeedSpread:
    """Spread of the scores of trials that differ in nothing but the seed."""

    deviation: float  # standard, of one training
    num_trials: int
    num_groups: int  # of trials with the same values


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the finished trial with the highest score, the earliest of equals; None without."""
    finished = [one for one in trials if one.outcome == "finished" and one.score is not None]
    return max(finished, key=lambda one: (one.score, -one.number), default=None)


def spread_of(trials: Sequence[Trial]) -> SeedSpread | None:
    """Pool the deviation, √(Σ (n-1) s² / Σ (n-1)), over groups of trials with equal values."""
    groups: dict[str, list[float]] = defaultdict(list)
    for one in trials:
        if one.outcome == "finished" and one.score is not None:
            values = {key: value for key, value in one.values.items() if key != SEED_KEY}
            groups[repr(sorted(values.items()))].append(one.score)
    repeated = [scores for scores in groups.values() if len(scores) > 1]
    if not repeated:
        return None
    freedom = sum(len(scores) - 1 for scores in repeated)
    squares = sum((len(scores) - 1) * stdev(scores) ** 2 for scores in repeated)
    return SeedSpread(math.sqrt(squares / freedom), sum(map(len, repeated)), len(repeated))
