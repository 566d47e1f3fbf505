"""Twenty random kills (SIGKILL) over a short training with two workers, resumed each time.

At the end weights, average, optimizer, random state and log must equal those of an uninterrupted
training, bit for bit; after each kill, every visible file must load.
"""

import sys
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

KILLS = 20
EPOCHS = 100  # 200 steps, 50 validations
LONGEST = 3.0  # seconds from the first step to the kill


def main() -> None:
    from cells import make_cells  # noqa: PLC0415 (beside the tests, found from here on)
    from killing import METHODS, KilledRun, differences, kill_and_resume  # noqa: PLC0415

    overrides = {"training.epochs": EPOCHS}
    with TemporaryDirectory() as folder:
        cells = make_cells(Path(folder) / "cells")
        killed, whole = Path(folder) / "killed", Path(folder) / "whole"
        phases = kill_and_resume(
            KilledRun(cells, killed, overrides), kills=KILLS, longest=LONGEST, random=Random(0)
        )
        KilledRun(cells, whole, overrides).train(None, METHODS.Array("c", 16, lock=False))
        different = differences(killed, whole)
    during = ", ".join(f"{count} {phase}" for phase, count in Counter(phases).most_common())
    print("| kills | during | files that differ at the end |")
    print("|---|---|---|")
    print(f"| {len(phases)} | {during} | {', '.join(different) or 'none'} |")
