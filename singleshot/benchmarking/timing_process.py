"""A detector in a process of its own, driven by lines of JSON (see `timing_worker`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from singleshot.errors import RunFailed

__all__ = ["TimingJob", "TimingProcess"]

# What libraries read the number of threads from when they are loaded: OpenMP, MKL, OpenBLAS.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class TimingJob:
    """A detector to time: a trained model, or the network of a recipe with random weights."""

    name: str
    images: Sequence[Path]
    model: Path | None = None
    recipe: str = ""
    num_classes: int = 0
    device: str = "auto"
    threads: int | None = None  # left out, as many as PyTorch takes
    score_threshold: float | None = None  # of postprocessing; left out, the detector's own

    def to_json(self) -> dict[str, Any]:
        """Convert to the first line that the worker reads."""
        detector: dict[str, Any] = {"recipe": self.recipe, "num_classes": self.num_classes}
        if self.model is not None:
            detector = {"model": str(self.model)}
        return {
            **detector,
            "device": self.device,
            "images": [str(path) for path in self.images],
            "threads": self.threads,
            "score_threshold": self.score_threshold,
        }

    @property
    def environment(self) -> dict[str, str]:
        """Environment of its process."""
        if self.threads is None:
            return dict(os.environ)
        return {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(self.threads))}


class TimingProcess:
    """A process with a detector in it; it ends with the `with` statement."""

    def __init__(self, job: TimingJob) -> None:
        self.job = job
        self.stderr_file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (until exit)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "singleshot.benchmarking.timing_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr_file,
            env=job.environment,
            text=True,
            encoding="utf-8",
        )
        self.send(job.to_json())

    def __enter__(self) -> TimingProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()
        self.stderr_file.close()

    def send(self, document: Mapping[str, Any]) -> None:
        """Write one line; a process that has ended is noticed when its reply is read."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(document) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass

    def receive(self) -> dict[str, Any]:
        """Wait for one line.

        Raises RunFailed when the process has ended, as for want of memory.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RunFailed(f"{self.job.name}: could not be timed: {self.exit_reason()}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def exit_reason(self) -> str:
        """Return the error at the end of stderr, or the exit code."""
        code = self.process.wait()
        self.stderr_file.seek(0)
        lines = self.stderr_file.read().strip().splitlines()
        if code < 0:
            return f"its process was killed (signal {-code}); is there enough memory for it?"
        # Further lines of an error are indented.
        starts = [number for number, line in enumerate(lines) if line == line.lstrip()]
        if not starts:
            return f"its process ended with code {code}"
        return "\n".join(lines[starts[-1] :])
