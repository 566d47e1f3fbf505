"""How much memory there is to have; a container may have less than its machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["free_memory"]

WHERE_UNKNOWN = 4_000_000_000  # bytes; any laptop has that
CGROUPS = Path("/sys/fs/cgroup")
# The limit, what is used of it, and what of that is only kept of files: version 2, version 1.
VERSIONS = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory() -> int:
    """Bytes of memory that this program could have now, or a cautious guess."""
    return min([free_on_machine(), *free_in_cgroups(CGROUPS, own_cgroups())])


def free_on_machine() -> int:
    try:
        # Unlike "free", "available" counts what the system keeps of files it has read.
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if "MemAvailable" in line)
    except (OSError, StopIteration):
        return WHERE_UNKNOWN


def own_cgroups() -> list[str]:
    """The paths of the control groups that this program is in."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [line.split(":", 2)[2] for line in lines]


def free_in_cgroups(root: Path, own: list[str]) -> Iterator[int]:
    """Bytes left under each memory limit of these control groups and of those around them."""
    for kind, limit, used, kept in VERSIONS:
        for folder in sorted({above for path in own for above in upwards(root / kind, path)}):
            # A file that is absent, or says "max": no limit here.
            with suppress(OSError, ValueError):
                allowed = int((folder / limit).read_text(encoding="ascii"))
                taken = int((folder / used).read_text(encoding="ascii"))
                yield max(allowed - taken + kept_of_files(folder, kept), 0)


def upwards(root: Path, path: str) -> list[Path]:
    """The folder of a control group and all around it."""
    folder = root / path.lstrip("/")
    return [folder, *(above for above in folder.parents if above.is_relative_to(root))]


def kept_of_files(folder: Path, name: str) -> int:
    """Bytes that the system would give back at once."""
    lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.split()[0] == name)
