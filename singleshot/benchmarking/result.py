"""The result of a benchmark: a row for each model and setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from singleshot.benchmarking.machine import Machine
from singleshot.metrics.speed import Seconds

__all__ = ["BenchmarkResult", "BenchmarkRow", "Latency", "NetworkCheck"]

# Fewest timings of which a percentile is more than the slowest of them.
ENOUGH = {"p90": 10, "p95": 20, "p99": 100}


@dataclass(frozen=True)
class Latency:
    """Milliseconds of the batches of a setting; a percentile of too few timings is None."""

    min: float
    median: float
    p90: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, seconds: Sequence[float | None]) -> Latency | None:
        """Summarise timings; None where one is unknown, as the phases of a foreign detector."""
        known = [1000 * one for one in seconds if one is not None]
        if len(known) < len(seconds) or not known:
            return None
        percentiles = {
            name: float(np.percentile(known, int(name[1:]))) if len(known) >= enough else None
            for name, enough in ENOUGH.items()
        }
        return cls(min=min(known), median=float(np.median(known)), **percentiles)


@dataclass(frozen=True)
class NetworkCheck:
    """The network timed by other means, in the same process of its own."""

    plain_ms: float  # median of a plain loop
    own_ms: float | None  # median by the runtime's own benchmark
    own_tool: str | None  # its name


@dataclass(frozen=True)
class BenchmarkRow:
    """One model in one setting."""

    model: str  # as it was given
    name: str  # the shortest end of its path that no other has
    runtime: str
    runtime_version: str | None
    precision: str | None
    device: str
    input: tuple[int, int] | None  # height, width
    batch: int
    threads: int  # of each stream
    streams: int
    preprocess: Latency | None
    network: Latency | None
    postprocess: Latency | None
    total: Latency  # of a whole batch, from pixels to boxes
    images_per_second: float  # of all streams together
    rounds_ms: tuple[float, ...]  # the median total of each round
    num_timings: int
    detections_per_image: float
    score_threshold: float | None
    peak_memory_mb: float | None  # of all streams together; None where unknown
    memory_before_mb: float | None  # before there was a detector
    size_mb: float | None  # of the model's files; None for random weights
    joules_per_image: float | None
    average_precision: float | None = None
    check: NetworkCheck | None = None

    @property
    def memory_mb(self) -> float | None:
        """Peak memory above that of the process without a detector."""
        peak, before = self.peak_memory_mb, self.memory_before_mb
        return None if peak is None or before is None else max(peak - before, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Convert to plain numbers; medians lie flat, other percentiles in `latency`."""
        phases = {
            "preprocess": self.preprocess,
            "network": self.network,
            "postprocess": self.postprocess,
            "total": self.total,
        }
        return {
            "model": self.model,
            "runtime": self.runtime,
            "precision": self.precision,
            "batch": self.batch,
            "threads": self.threads,
            **{f"{name}_ms": one.median if one else None for name, one in phases.items()},
            "images_per_second": self.images_per_second,
            "peak_memory_mb": self.peak_memory_mb,
            "size_mb": self.size_mb,
            "streams": self.streams,
            "name": self.name,
            "runtime_version": self.runtime_version,
            "device": self.device,
            "input": list(self.input) if self.input else None,
            "latency": {name: asdict(one) if one else None for name, one in phases.items()},
            "rounds_ms": list(self.rounds_ms),
            "num_timings": self.num_timings,
            "detections_per_image": self.detections_per_image,
            "score_threshold": self.score_threshold,
            "memory_before_mb": self.memory_before_mb,
            "joules_per_image": self.joules_per_image,
            "average_precision": self.average_precision,
            "check": asdict(self.check) if self.check else None,
        }


@dataclass(frozen=True)
class BenchmarkResult:
    """Models timed on the same images, on one machine, in one run."""

    images: str  # description
    machine: Machine
    cores_used_by_others: float | None  # before it began; None where unknown
    rows: tuple[BenchmarkRow, ...]
    notes: tuple[str, ...] = ()  # what the numbers cannot be relied on for

    def to_json(self) -> list[dict[str, Any]]:
        """Convert to the document of `--json`: the rows, each with its machine."""
        about = {
            "images": self.images,
            "machine": self.machine.to_json(),
            "cores_used_by_others": self.cores_used_by_others,
            "notes": list(self.notes),
        }
        return [{**row.to_json(), **about} for row in self.rows]


def phases_of(timings: Sequence[Seconds]) -> dict[str, Latency | None]:
    """Summarise each phase of the timings, and the total."""
    return {
        name: Latency.of([getattr(one, name) for one in timings])
        for name in ("preprocess", "network", "postprocess", "total")
    }
