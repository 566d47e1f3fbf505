"""Correct and fast on a GPU? Checks against the CPU, then measurements, in at most eight minutes.

python -m benchmarks gpu
python -m benchmarks.gpu --data FOLDER

Needs CUDA; without it, it ends with one line and exit code 2. First every check runs: losses,
gradients, matching, NMS and detections are those of the CPU within stated limits, mixed precision
keeps gradients finite, a resumed training ends as one that was not interrupted, and two
epochs improve a detector. Then measurements beside torchvision's reference run while time
is left. The exit code is 1 where a check failed. FOLDER is a data set with the splits `trainval`
and `test`, by default BCCD of SINGLESHOT_SHARED; where there is none, images are drawn.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.corpus_data import shared_data
from benchmarks.gpu_checks import Check, Finding, Placement, checks_of_numbers, run_check
from benchmarks.gpu_timing import TIMED, Measurement, Row, measurements
from benchmarks.gpu_training import check_resume, check_two_epochs, data_splits
from benchmarks.training_step import files

__all__ = ["Budget", "main", "report"]

SECONDS = 450.0  # of eight minutes; a measurement that has begun is finished
LONGEST = 60.0  # seconds that a measurement is expected to take at most


@dataclass(frozen=True)
class Budget:
    """Time that is left for measurements; checks take what they need."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    start: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", self.clock())

    def allows(self, seconds: float) -> bool:
        """Return whether so many seconds are left."""
        return self.clock() - self.start + seconds <= self.seconds


def main(arguments: Sequence[str] = ()) -> None:
    """Run the checks and the measurements; SystemExit with 2 without CUDA, 1 after a failure."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="data set with the splits trainval and test")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print(f"gpu: PyTorch {torch.__version__} sees no CUDA device here", file=sys.stderr)
        sys.exit(2)
    device = torch.device("cuda")
    print(f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}\n", flush=True)
    budget = Budget(SECONDS)
    with TemporaryDirectory() as name, files() as images:
        train, test = data_splits(options.data or bccd(), Path(name))
        checks = checks_of_numbers() | {
            "resumed training": partial(check_resume, train, {}),
            "two epochs": partial(check_two_epochs, train, test, {}),
        }
        timings = [measurements(timed, images, device) for timed in TIMED]
        # The most important of each network first, as time may end.
        ordered = {
            k: m for group in zip(*(t.items() for t in timings), strict=True) for k, m in group
        }
        failed = print_all(report(checks, ordered, Placement(device), budget))
    sys.exit(int(failed))


def bccd() -> Path | None:
    """Return BCCD's folder, where it is."""
    return folder if (folder := shared_data() / "bccd").is_dir() else None


def report(
    checks: Mapping[str, Check],
    timings: Mapping[str, Measurement],
    placement: Placement,
    budget: Budget,
) -> Iterator[tuple[str, bool]]:
    """Yield each line of the table, and whether it is of a failure; the verdict comes last."""
    yield "| check or measurement | CUDA | limit or torchvision | |", False
    yield "|---|---|---|---|", False
    failed = []
    for name, check in checks.items():
        finding = run_check(check, placement)
        if not finding.passed:
            failed.append(name)
        yield line_of(name, finding), not finding.passed
    for name, measure in timings.items():
        for row in measured(name, measure, budget):
            yield f"| {' | '.join(row)} |", False
    verdict = f"FAILED: {', '.join(failed)}" if failed else f"passed: all {len(checks)} checks"
    yield f"\n{verdict}", bool(failed)


def line_of(name: str, finding: Finding) -> str:
    """Format a check."""
    sign = "≥" if finding.at_least else "≤"
    result = "pass" if finding.passed else "FAILED"
    note = f"{result}; {finding.note}" if finding.note else result
    return f"| {name} | {finding.value:.2g} | {sign} {finding.limit:.2g} | {note} |"


def measured(name: str, measure: Measurement, budget: Budget) -> list[Row]:
    """Measure while time is left; what could not be measured is a row, too."""
    if not budget.allows(LONGEST):
        return [Row(name, "", "", "left out: no time was left")]
    try:
        return measure()
    except Exception as error:
        first = f"{type(error).__name__}: {error}".split("\n")[0]
        return [Row(name, "", "", f"could not be measured: {first}")]


def print_all(lines: Iterator[tuple[str, bool]]) -> bool:
    """Print lines as they come; returns whether one was of a failure."""
    failed = False
    for line, is_failure in lines:
        print(line, flush=True)
        failed |= is_failure
    return failed


if __name__ == "__main__":
    main(sys.argv[1:])
