"""Trainings that are killed at any instant, and what is left of them each time."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from safetensors.torch import load_file

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.recipes.load import load_recipe
from singleshot.runs.folder import RunFolder
from singleshot.runs.log import read_log
from singleshot.runs.progress import load_progress
from singleshot.training.loop import Training
from singleshot.training.train import train

# Small, with all that has a state: dropped paths (torch's generator), an average, two workers.
OVERRIDES = {
    "model.input": [96, 128],
    "model.backbone.name": "mobilenetv3_small_050",
    "model.backbone.weights": "none",
    "model.backbone.frozen_stride": 0,
    "model.backbone.arguments": {"drop_path_rate": 0.3},
    "training.batch_size": 3,
    "training.epochs": 12,
    "training.validate_every": 2,
    "training.precision": "float32",
    "training.average_decay": 0.9,
    "training.workers": 2,
}
TIMINGS = ("time", "images_per_second", "seconds_waiting", "seconds_left")
PARTS = ("step", "save", "add_validation")  # methods of `Training` that a kill may come into
METHODS = multiprocessing.get_context("forkserver")
METHODS.set_forkserver_preload(["singleshot.training.train"])


@dataclass
class KilledRun:
    """A run that is killed again and again."""

    cells: Path
    run: Path
    overrides: dict[str, object] = field(default_factory=dict)
    prepare: Callable[[], None] | None = None  # called first in each process

    def train(self, seconds: float | None, place) -> None:
        """Begin or resume in a process of its own, killed so long after its first step."""
        place.value = b"building"
        resume = RunFolder(self.run).state.exists()
        words = (self.cells, self.run, {**OVERRIDES, **self.overrides}, resume, place)
        process = METHODS.Process(
            target=train_recording_method, args=words, kwargs={"prepare": self.prepare}
        )
        process.start()
        while seconds is not None and process.is_alive() and place.value == b"building":
            time.sleep(0.001)
        process.join(seconds)
        process.kill()
        process.join()
        if seconds is None:
            assert process.exitcode == 0


def train_recording_method(cells, run, overrides, resume, place, *, prepare) -> None:
    """Train, and write into shared memory which method runs."""
    if prepare is not None:
        prepare()

    def recording(name, method):
        def recorded(*words):
            before, place.value = place.value, name.encode()
            try:
                return method(*words)
            finally:
                place.value = before

        return recorded

    for name in PARTS:
        setattr(Training, name, recording(name, getattr(Training, name)))
    begin = Training.take_steps

    def take_steps(training, *words):
        place.value = b"waiting"
        if training.evaluate is not None:
            training.evaluate = recording("evaluate", training.evaluate)
        begin(training, *words)
        place.value = b"reporting"

    Training.take_steps = take_steps
    train("ssdlite320-lite0", cells, run=run, overrides=overrides, resume=resume)


def kill_and_resume(killed: KilledRun, *, kills: int, longest: float, random: Random) -> list[str]:
    """Kill so many times, up to so many seconds after its steps began; then let it finish.

    Returns the method that each kill came into; a run that ends before it is not counted.
    """
    place = METHODS.Array("c", 16, lock=False)
    came_into: list[str] = []
    for _ in range(kills):
        killed.train(random.uniform(0, longest), place)
        require_whole(killed.run)
        came_into.append(place.value.decode())
        if finished(killed.run):
            return came_into
    killed.train(None, place)
    require_whole(killed.run)
    return came_into


def finished(run: Path) -> bool:
    """Return whether a run is finished with its report."""
    folder = RunFolder(run)
    return folder.state.exists() and folder.is_done


def require_whole(run: Path) -> None:
    """Load every file there is."""
    folder = RunFolder(run)
    if folder.recipe.exists():
        load_recipe(folder.recipe)
    for path in (folder.best, folder.last):
        if path.exists():
            Checkpoint.load(path)
    if folder.state.exists():
        load_progress(folder.state)
        load_file(folder.state)
    text = folder.log.read_text() if folder.log.exists() else ""
    for line in text.splitlines():
        json.loads(line)


def log_without_timings(run: Path) -> list[dict[str, object]]:
    return [
        {key: value for key, value in line.items() if key not in TIMINGS}
        for line in read_log(RunFolder(run).log)
    ]


def differences(one: Path, other: Path) -> list[str]:
    """List the files in which two runs differ."""
    ours, theirs = RunFolder(one), RunFolder(other)
    files = [(ours.state, theirs.state), (ours.last, theirs.last), (ours.best, theirs.best)]
    differ = [a.name for a, b in files if content_of(a) != content_of(b)]
    if log_without_timings(one) != log_without_timings(other):
        differ.append("log.jsonl")
    return differ


def content_of(path: Path) -> dict[str, bytes]:
    """Read every tensor bit for bit, without the metadata."""
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(path).items()}
