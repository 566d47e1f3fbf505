"""Peak memory of a work, as Linux counts it.

`getrusage` is of no use here: a new process starts with the peak of the one that started it.
"""

from collections.abc import Callable
from pathlib import Path

__all__ = ["peak_megabytes"]

STATUS = Path("/proc/self/status")
RESET_PEAK = "5"  # proc(5), clear_refs


def peak_megabytes(work: Callable[[], object]) -> float:
    """Measure the peak of this process during the work, above its memory before."""
    Path("/proc/self/clear_refs").write_text(RESET_PEAK)
    before = megabytes("VmRSS")
    work()
    return megabytes("VmHWM") - before


def megabytes(name: str) -> float:
    [line] = [line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024 / 1e6
