"""Taking turns: on a machine that others use, only neighbours in time can be compared."""

import statistics
import time
from collections.abc import Callable, Sequence

__all__ = ["alternately", "ratio"]


def alternately(works: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Milliseconds of each work in each round, one after the other; the first round warms up."""
    times = [[milliseconds(work) for work in works] for _ in range(rounds + 1)]
    return [list(column) for column in zip(*times[1:], strict=True)]


def ratio(times: Sequence[float], others: Sequence[float]) -> float:
    """How many times as long; the median over the rounds."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)
