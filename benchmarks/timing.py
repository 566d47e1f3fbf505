"""Timing in turns: on a shared machine only measurements close in time are comparable."""

import statistics
import time
from collections.abc import Callable, Sequence

__all__ = ["alternately", "ratio"]


def alternately(works: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Time each work in each round in turn, in milliseconds; the first round warms up."""
    times = [[milliseconds(work) for work in works] for _ in range(rounds + 1)]
    return [list(column) for column in zip(*times[1:], strict=True)]


def ratio(times: Sequence[float], others: Sequence[float]) -> float:
    """Compute the median ratio of times over the rounds."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)
