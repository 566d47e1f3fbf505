"""The machine that is measured on: processor, load by other programs, energy."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from singleshot.cores import CoreTime

__all__ = [
    "Machine",
    "busy_note",
    "cores_used_by_others",
    "describe_machine",
    "joules_between",
    "read_energy",
]

CPU_INFO, POWERCAP, PROCESSES = Path("/proc/cpuinfo"), Path("/sys/class/powercap"), Path("/proc")
BUSY = 0.15  # cores used by other programs; an idle desktop uses less
# Flags of processors that int8 and 16-bit networks are much faster with; x86, then Arm.
FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX512",
    "avx_vnni": "AVX VNNI",
    "avx512_vnni": "AVX512 VNNI",
    "avx512_bf16": "AVX512 bf16",
    "amx_int8": "AMX int8",
    "amx_bf16": "AMX bf16",
    "asimddp": "dot product",
    "i8mm": "int8 matrix product",
    "bf16": "bf16",
    "sve": "SVE",
}


@dataclass(frozen=True)
class Machine:
    """The machine and the software that speed was measured with."""

    processor: str
    cores: int
    threads: int  # of PyTorch
    device: str
    system: str
    python: str
    torch: str
    features: tuple[str, ...] = ()  # of the processor, as in `FEATURES`

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Machine:
        """Rebuild what `to_json` has converted."""
        return cls(**{**document, "features": tuple(document["features"])})

    def to_json(self) -> dict[str, Any]:
        """Convert to plain values under the names of the fields."""
        return {**asdict(self), "features": list(self.features)}


def describe_machine(device: torch.device) -> Machine:
    """Describe the machine and the software of this process."""
    lines = _processor_lines()
    return Machine(
        processor=_processor(lines),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        system=platform.system(),
        python=platform.python_version(),
        torch=torch.__version__,
        features=_features(lines),
    )


def _processor_lines() -> list[str]:
    """Read what Linux states about the processor; nothing elsewhere."""
    with suppress(OSError):
        return CPU_INFO.read_text(encoding="utf-8").splitlines()
    return []


def _processor(lines: list[str]) -> str:
    """Return the processor's name as far as the system provides it."""
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _features(lines: list[str]) -> tuple[str, ...]:
    """List the features that matter here, in the order of the table."""
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    known = set(flags.partition(":")[2].split())
    return tuple(name for flag, name in FEATURES.items() if flag in known)


def cores_used_by_others(seconds: float = 1.0) -> float | None:
    """Measure for a moment how many cores other programs use; None outside Linux."""
    if not (PROCESSES / "stat").exists():
        return None
    cores = os.sched_getaffinity(0)
    before = CoreTime.now(cores)
    time.sleep(seconds)
    return CoreTime.now(cores).used_by_others(before)


def busy_note(used: float | None, cores: int) -> str | None:
    """Warn of a machine that is busy with something else; None for one that is not."""
    if used is None or used < BUSY:
        return None
    return (
        f"other programs use {used:.1f} of {cores} cores: timings are longer than on a "
        f"free machine, and vary; end the programs, or only compare models of one run"
    )


def read_energy() -> dict[str, int]:
    """Read the microjoules that each processor has used so far; empty where that is unknown.

    Intel's RAPL counters, which AMD's processors have too, by Linux's power capping framework
    (https://docs.kernel.org/power/powercap/powercap.html). Most systems let only root read them,
    and most virtual machines have none.
    """
    counters: dict[str, int] = {}
    for zone in POWERCAP.glob("intel-rapl:*"):
        # Zones within a processor, such as intel-rapl:0:1, are part of its own.
        if zone.name.count(":") == 1:
            with suppress(OSError, ValueError):
                counters[zone.name] = int((zone / "energy_uj").read_text(encoding="ascii"))
    return counters


def joules_between(before: Mapping[str, int], after: Mapping[str, int]) -> float | None:
    """Add up what all processors have used between two readings; None where that is unknown."""
    common = before.keys() & after.keys()
    if not common:
        return None
    return sum(_used(zone, after[zone] - before[zone]) for zone in common) / 1e6


def _used(zone: str, difference: int) -> int:
    """Correct the difference of a counter that has started again from 0."""
    if difference >= 0:
        return difference
    with suppress(OSError, ValueError):
        text = (POWERCAP / zone / "max_energy_range_uj").read_text(encoding="ascii")
        return difference + int(text)
    return 0
