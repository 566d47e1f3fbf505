"""How many cores there are to have; taskset, a cluster or a container may allow fewer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from singleshot.data.memory import CGROUPS, own_cgroups, upwards

__all__ = ["available_cores"]


def available_cores() -> int:
    """Cores that this program may keep busy, at least one."""
    return max(int(min([cores_of_affinity(), *cores_in_cgroups(CGROUPS, own_cgroups())])), 1)


def cores_of_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):  # on Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cores_in_cgroups(root: Path, own: list[str]) -> Iterator[float]:
    """The limits of these control groups and of those around them: time, in times of a core."""
    for path in own:
        for folder in upwards(root, path):
            # A file that is absent, or says "max": no limit here.
            with suppress(OSError, ValueError):
                quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
                yield int(quota) / int(period)
        for folder in upwards(root / "cpu", path):  # version 1
            with suppress(OSError, ValueError):
                limit = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
                per = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
                if limit > 0:
                    yield limit / per
