"""Cores and memory available to this process; a cluster or container may have a lower limit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["available_cores", "free_memory"]

UNKNOWN_MEMORY = 4_000_000_000  # bytes, if the system does not report it; any laptop has that
CGROUPS = Path("/sys/fs/cgroup")
# Files of the limit, the usage, and the reclaimable part of it: cgroups version 2, version 1.
MEMORY_FILES = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def available_cores() -> int:
    """Count the cores that this process may keep busy, at least one."""
    return max(int(min([cores_of_affinity(), *cores_in_cgroups(CGROUPS, _own_cgroups())])), 1)


def free_memory() -> int:
    """Return the bytes of memory that this process could allocate now, or a cautious guess."""
    return min([free_on_machine(), *free_in_cgroups(CGROUPS, _own_cgroups())])


def cores_of_affinity() -> int:
    """Count the cores that this process is bound to (taskset)."""
    if hasattr(os, "sched_getaffinity"):  # on Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cores_in_cgroups(root: Path, own: list[str]) -> Iterator[float]:
    """Yield the CPU limits of these control groups and of their parents, in cores."""
    for path in own:
        for folder in _with_parents(root, path):
            # A file that is absent or holds "max": no limit here.
            with suppress(OSError, ValueError):
                quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
                yield int(quota) / int(period)
        for folder in _with_parents(root / "cpu", path):  # version 1
            with suppress(OSError, ValueError):
                limit = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
                per = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
                if limit > 0:
                    yield limit / per


def free_on_machine() -> int:
    """Return the bytes of memory available on the whole machine."""
    try:
        # Unlike "free", "available" counts what the system keeps of files it has read.
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if "MemAvailable" in line)
    except (OSError, StopIteration):
        return UNKNOWN_MEMORY


def free_in_cgroups(root: Path, own: list[str]) -> Iterator[int]:
    """Yield the bytes left under each memory limit of these control groups and their parents."""
    for kind, limit, used, reclaimable in MEMORY_FILES:
        for folder in sorted({one for path in own for one in _with_parents(root / kind, path)}):
            # A file that is absent or holds "max": no limit here.
            with suppress(OSError, ValueError):
                allowed = int((folder / limit).read_text(encoding="ascii"))
                taken = int((folder / used).read_text(encoding="ascii"))
                yield max(allowed - taken + _reclaimable(folder, reclaimable), 0)


def _own_cgroups() -> list[str]:
    """List the paths of the control groups of this process."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [line.split(":", 2)[2] for line in lines]


def _with_parents(root: Path, path: str) -> list[Path]:
    """List the folder of a control group and those of its parents below `root`."""
    folder = root / path.lstrip("/")
    return [folder, *(above for above in folder.parents if above.is_relative_to(root))]


def _reclaimable(folder: Path, name: str) -> int:
    """Return the bytes of the file cache that the system would free at once."""
    lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.split()[0] == name)
