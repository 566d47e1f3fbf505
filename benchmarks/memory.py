"""How much memory a work takes at its height, as Linux counts it.

`getrusage` is of no use here: a new process starts with the peak of the one that started it.
"""

from collections.abc import Callable
from pathlib import Path

__all__ = ["megabytes_at_the_height"]

STATUS = Path("/proc/self/status")
FORGET_THE_PEAK = "5"  # proc(5), clear_refs


def megabytes_at_the_height(work: Callable[[], object]) -> float:
    """Peak of this process during the work, above what it held before."""
    Path("/proc/self/clear_refs").write_text(FORGET_THE_PEAK)
    before = megabytes("VmRSS")
    work()
    return megabytes("VmHWM") - before


def megabytes(name: str) -> float:
    [line] = [line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024 / 1e6
