"""A benchmark of two models with made-up numbers."""

from __future__ import annotations

from dataclasses import replace

from singleshot.benchmarking.machine import Machine
from singleshot.benchmarking.result import BenchmarkResult, BenchmarkRow, Latency, NetworkCheck

__all__ = ["EVIL", "make_result", "make_row"]

EVIL = "<b>a&b</b>"  # a name that must be escaped
MACHINE = Machine("a processor", 2, 1, "cpu", "Linux", "3.12", "2.9", ("AVX2", "AVX512 VNNI"))


def latency(median: float) -> Latency:
    return Latency(median * 0.9, median, median * 1.1, median * 1.2, None)


def make_row(name: str, milliseconds: float, **changes: object) -> BenchmarkRow:
    """A model whose network takes so many milliseconds, 3 less than everything."""
    row = BenchmarkRow(
        model=f"runs/{name}",
        name=name,
        runtime="pytorch",
        runtime_version="2.9",
        precision="float32",
        device="cpu",
        input=(320, 320),
        batch=1,
        threads=1,
        streams=1,
        preprocess=latency(1.0),
        network=latency(milliseconds),
        postprocess=latency(2.0),
        total=latency(milliseconds + 3),
        images_per_second=1000 / (milliseconds + 3),
        rounds_ms=(milliseconds + 3, milliseconds + 3.5),
        num_timings=24,
        detections_per_image=12.5,
        score_threshold=0.01,
        peak_memory_mb=900.0,
        memory_before_mb=700.0,
        size_mb=16.5,
        joules_per_image=None,
    )
    return replace(row, **changes)


def make_result(*rows: BenchmarkRow) -> BenchmarkResult:
    """A float and an int8 model, the second also in two streams; or these rows."""
    int8 = {"runtime": "openvino", "precision": "int8", "size_mb": 4.2}
    made = (
        make_row(EVIL, 40.0, average_precision=0.6, check=NetworkCheck(40.1, 39.9, "a tool")),
        make_row("small", 7.0, average_precision=0.59, **int8),
        make_row("small", 8.0, streams=2, images_per_second=190.0, **int8),
    )
    return BenchmarkResult("images of cells", MACHINE, 0.7, rows or made, ("the machine is busy",))
