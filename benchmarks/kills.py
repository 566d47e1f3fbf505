"""Twenty random kills (SIGKILL) over a short training with two workers, resumed each time.

At the end weights, average, optimizer, random state and log must equal those of a training that
nobody killed, bit for bit; after each kill, every file that can be seen must load.
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
    from killing import METHODS, Victim, differences, kill_and_resume  # noqa: PLC0415

    overrides = {"training.epochs": EPOCHS}
    with TemporaryDirectory() as folder:
        cells = make_cells(Path(folder) / "cells")
        killed, whole = Path(folder) / "killed", Path(folder) / "whole"
        came_into = kill_and_resume(
            Victim(cells, killed, overrides), kills=KILLS, longest=LONGEST, random=Random(0)
        )
        Victim(cells, whole, overrides).live(None, METHODS.Array("c", 16, lock=False))
        found = differences(killed, whole)
    places = ", ".join(f"{count} {place}" for place, count in Counter(came_into).most_common())
    print("| kills | they came into | files that differ at the end |")
    print("|---|---|---|")
    print(f"| {len(came_into)} | {places} | {', '.join(found) or 'none'} |")
