"""Time an exported model with the benchmark that those who made its runtime ship with it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from singleshot.runtimes.exported import ExportedDetector

__all__ = ["ToolTiming", "time_with_own_tool"]

SECONDS = 2
LONGEST = 120  # seconds, after which a tool is given up
WARM_UP = 3
NUM_RUNS = 100
# `benchmark_app` of OpenVINO, `litert-benchmark` of LiteRT
PRINTED_MEDIAN = re.compile(r"(?:Median:|Inference \(median\):)\s+([\d.]+) ms")
BENCHMARK_APP = "from openvino.tools.benchmark.main import main; main()"


class ToolTiming(NamedTuple):
    """A median by a runtime's own benchmark."""

    milliseconds: float
    tool: str


def time_with_own_tool(
    detector: ExportedDetector, batch: np.ndarray, threads: int
) -> ToolTiming | None:
    """Time the model with its runtime's own benchmark; None where there is none, or it fails."""
    own = _TOOLS.get(detector.manifest.format)
    if own is None or detector.artifact is None:
        return None
    return own(detector, batch, threads)


def _by_benchmark_app(
    detector: ExportedDetector, _batch: np.ndarray, threads: int
) -> ToolTiming | None:
    """Run OpenVINO's benchmark_app: one request after the other, in the engine's precision."""
    half = detector.manifest.precision in ("float16", "bfloat16")
    words = ["-c", BENCHMARK_APP, "-m", str(_file_of(detector)), "-d", "CPU", "-api", "sync"]
    words += ["-hint", "none", "-nstreams", "1", "-nthreads", str(threads), "-t", str(SECONDS)]
    words += ["-infer_precision", "bf16" if half else "f32"]
    return _run(words, "benchmark_app")


def _by_litert_benchmark(
    detector: ExportedDetector, _batch: np.ndarray, threads: int
) -> ToolTiming | None:
    """Run LiteRT's benchmark, which uses its compiled models instead of the interpreter."""
    words = ["-m", "ai_edge_litert.tools.benchmark_litert_model"]
    words += ["--model", str(_file_of(detector)), "--num_threads", str(threads)]
    words += ["--num_runs", str(NUM_RUNS), "--warmup_runs", str(WARM_UP)]
    return _run(words, "litert-benchmark")


def _by_io_binding(
    detector: ExportedDetector, batch: np.ndarray, threads: int
) -> ToolTiming | None:
    """Loop over a session of onnxruntime with bound tensors, as its perf_test does.

    That program is not in its Python package.
    """
    import onnxruntime  # noqa: PLC0415 (an extra)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(_file_of(detector)), options, providers=["CPUExecutionProvider"]
    )
    binding = session.io_binding()
    binding.bind_cpu_input(session.get_inputs()[0].name, batch)
    for one in session.get_outputs():
        binding.bind_output(one.name)
    times: list[float] = []
    for _ in range(WARM_UP):
        session.run_with_iobinding(binding)
    end = time.perf_counter() + SECONDS
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        session.run_with_iobinding(binding)
        times.append(time.perf_counter() - start)
    return ToolTiming(1000 * median(times), "IOBinding")


def _run(words: list[str], tool: str) -> ToolTiming | None:
    """Run a tool in a process of its own, and read the median that it prints."""
    try:
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, timeout=LONGEST, check=True
        )
    except (subprocess.SubprocessError, OSError):
        return None
    found = PRINTED_MEDIAN.search(done.stdout)
    return None if found is None else ToolTiming(float(found[1]), tool)


def _file_of(detector: ExportedDetector) -> Path:
    """Return the file of the model that is opened first."""
    assert detector.artifact is not None
    return detector.artifact.files[0]


_TOOLS: dict[str, Callable[[ExportedDetector, np.ndarray, int], ToolTiming | None]] = {
    "openvino": _by_benchmark_app,
    "litert": _by_litert_benchmark,
    "onnx": _by_io_binding,
    "web": _by_io_binding,
}
