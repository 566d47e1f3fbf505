"""The simulator of rknn-toolkit2 in the place of a runtime, for models that no PC can run.

It runs a model in the process that has built it, in the environment of the toolkit.
"""

from __future__ import annotations

import subprocess
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from singleshot.errors import RunFailed
from singleshot.exporting.external_programs import last_lines
from singleshot.exporting.formats.format import ExportJob
from singleshot.exporting.formats.rknn.convert import (
    CONVERTER,
    IMAGES,
    OUTPUTS,
    RKNN_TOOLKIT,
    write_request,
)
from singleshot.runtimes.standalone import detect as standalone

__all__ = ["SimulatorEngine"]


class SimulatorEngine(standalone.Engine):
    """A model in the simulator; the process ends with this object."""

    runtime = "the simulator of rknn-toolkit2"

    def __init__(self, job: ExportJob, batches: Iterable[np.ndarray]) -> None:
        """Build the model; in int8, if there are `batches`: bytes (1, h, w, 3).

        Raises:
            SingleshotError: the environment of rknn-toolkit2 is missing.
            RunFailed: rknn-toolkit2 failed.
        """
        python = RKNN_TOOLKIT.require(make=job.make_environment, notify=job.notify)
        folder = tempfile.TemporaryDirectory()
        weakref.finalize(self, folder.cleanup)
        self.folder = Path(folder.name)
        request = write_request(job, self.folder, batches)
        self.process = RKNN_TOOLKIT.start(
            python, CONVERTER, request, "--simulate", log=self.folder / "log.txt"
        )
        weakref.finalize(self, _stop, self.process)
        self._await_answer()

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Run the model on bytes (n, h, w, 3)."""
        assert self.process.stdin is not None
        np.save(self.folder / IMAGES, batch)
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        self._await_answer()
        with np.load(self.folder / OUTPUTS) as outputs:
            return dict(outputs)

    def _await_answer(self) -> None:
        """Wait for the next line; RunFailed where the process has ended instead."""
        assert self.process.stdout is not None
        if not self.process.stdout.readline():
            reason = last_lines((self.folder / "log.txt").read_text(errors="replace"))
            raise RunFailed(f"{self.runtime} failed:\n{reason}")


def _stop(process: subprocess.Popen[str]) -> None:
    """End the process."""
    process.kill()
    process.communicate()
