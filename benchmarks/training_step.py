"""A whole training step, data included, beside torchvision's own; and a profile of ours.

python -m benchmarks training-step

Both train the same network, all layers from random weights and batch norm on the batch's own
statistics, in float32, with batches of 8 drawn from the same JPEG files and the same kinds of
variation. Each side is a process of its own, as in life, and they take turns; a round is a few
steps of each. A third process of ours keeps decoded images in memory, as `training.cache` does.
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from PIL import Image

from benchmarks.reference_training import ReferenceTraining
from benchmarks.timing import ratio
from singleshot.data.cache.memory import cache_images
from singleshot.data.dataset import DataSet
from singleshot.data.opening import open_dataset
from singleshot.data.splits import TrainingData
from singleshot.recipes.load import load_recipe
from singleshot.runs.folder import RunFolder
from singleshot.structures import Batch, Truth
from singleshot.training.build import TrainingSetup, build_training
from singleshot.training.loop import Training
from singleshot.training.precautions import keeping_memory
from singleshot.training.profile import Profile, profile_training

BATCH = 8
NUM_IMAGES, NUM_OBJECTS = 100, 3  # where VOC is not at hand; as many objects as VOC has
WORKERS = (0, 1)
KINDS = ("torchvision", "ours", "ours, cached")

T = TypeVar("T")


class Case(NamedTuple):
    """A network by our recipe and torchvision's name."""

    recipe: str
    model: str
    overrides: dict[str, object]
    rounds: int
    steps: int  # of a round


class Step(NamedTuple):
    """Mean time of the steps of a round."""

    whole: float  # milliseconds
    waiting: float  # of that, for data


# torchvision's preset for its SSDLite leaves colours as they are and does not zoom out.
SSDLITE = {"augmentation.photometric.probability": 0.0, "augmentation.expand.probability": 0.0}
CASES = (
    Case("ssdlite320-mobilenet-v3", "ssdlite320_mobilenet_v3_large", SSDLITE, rounds=9, steps=4),
    Case("ssd300-vgg16", "ssd300_vgg16", {"model.backbone.weights": "none"}, rounds=5, steps=1),
)


def main() -> None:
    pairs = [(case, workers) for case in CASES for workers in WORKERS]
    print(
        "| recipe | workers | torchvision | ours | times as fast | waiting for data "
        "| ours, cached | times as fast | waiting for data |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for case, workers in pairs:
        print(row(case, workers), flush=True)
    for case in CASES:
        print(f"\n### {case.recipe}, no workers, images read from files\n")
        print(f"```\n{profile_of(case)}\n```", flush=True)


def row(case: Case, workers: int) -> str:
    """Format medians over the rounds; the speed-up is the median over pairs."""
    theirs, ours, from_memory = in_turn(case, workers)
    cells = [case.recipe, str(workers), f"{middle(theirs):.0f} ms"]
    for mine in (ours, from_memory):
        waiting = statistics.median(step.waiting / step.whole for step in mine)
        times = ratio([step.whole for step in theirs], [step.whole for step in mine])
        cells += [f"{middle(mine):.0f} ms", f"{times:.2f}", f"{waiting:.1%}"]
    return f"| {' | '.join(cells)} |"


def middle(steps: list[Step]) -> float:
    return statistics.median(step.whole for step in steps)


def in_turn(case: Case, workers: int) -> list[list[Step]]:
    """Time rounds of each kind, in processes that wait for their turn."""
    start = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for kind in KINDS:
        here, there = start.Pipe()
        processes.append(start.Process(target=run_side, args=(kind, case, workers, there)))
        processes[-1].start()
        pipes.append(here)
    taken = []
    try:
        for _ in range(case.rounds + 1):
            for pipe in pipes:
                pipe.send(True)
                taken.append(pipe.recv())
    finally:  # none is left waiting where another failed
        for pipe, process in zip(pipes, processes, strict=True):
            with suppress(BrokenPipeError):
                pipe.send(False)
            process.join()
    # The first round warms up.
    return [taken[place + len(KINDS) :: len(KINDS)] for place in range(len(KINDS))]


def run_side(kind: str, case: Case, workers: int, pipe: Connection) -> None:
    """Run one side: take the steps of a round on each request."""
    with files() as images:
        if kind == "torchvision":
            theirs = ReferenceTraining(case.model, images, batch_size=BATCH, workers=workers)
            batches = iter(theirs.loader)
            while pipe.recv():
                pipe.send(steps_of(case.steps, batches, theirs.step))
            return
        with keeping_memory(), our_training(case, images, workers, kind) as (training, ours):
            while pipe.recv():
                pipe.send(steps_of(case.steps, ours, lambda batch: training.step(batch, 0.0)))


def steps_of(number: int, batches: Iterator[T], learn: Callable[[T], object]) -> Step:
    waiting = 0.0
    start = time.perf_counter()
    for _ in range(number):
        requested = time.perf_counter()
        batch = next(batches)
        waiting += time.perf_counter() - requested
        learn(batch)
    whole = time.perf_counter() - start
    return Step(1000 * whole / number, 1000 * waiting / number)


@contextmanager
def our_training(
    case: Case, images: DataSet, workers: int, kind: str
) -> Iterator[tuple[Training, Iterator[Batch]]]:
    """Build a training as `singleshot train` does."""
    overrides = {
        **case.overrides,
        "training.batch_size": BATCH,
        "training.workers": workers,
        "training.precision": "float32",
    }
    recipe = load_recipe(case.recipe, overrides)
    share = recipe.training.cache if kind == "ours, cached" else 0.0
    with TemporaryDirectory() as folder:
        training, batches = build_training(
            recipe,
            cache_images(images, share, lambda _: None),
            TrainingSetup(TrainingData(images, None, ()), RunFolder(Path(folder))),
        )
        training.model.train()
        yield training, iter(batches)


def profile_of(case: Case) -> Profile:
    with (
        files() as images,
        keeping_memory(),
        TemporaryDirectory() as folder,
        our_training(case, images, 0, "ours") as (training, batches),
    ):
        return profile_training(training, batches, Path(folder, "trace.json.gz"))


@contextmanager
def files() -> Iterator[DataSet]:
    """Open 100 images of VOC2012, or make synthetic ones of their size."""
    here = Path(__file__).resolve().parent.parent
    shared = Path(os.environ.get("SINGLESHOT_SHARED", here.parent / "shared"))
    voc = shared / "data" / "voc2012_100" / "VOC2012"
    if voc.is_dir():
        yield open_dataset(voc, "trainval")
        return
    with TemporaryDirectory() as folder:
        yield made_images(Path(folder))


def made_images(folder: Path) -> DataSet:
    """Make images of smooth noise, as slow to decode as photographs, with boxes of many sizes."""
    random = np.random.default_rng(0)
    images = []
    for number in range(NUM_IMAGES):
        path = folder / f"{number}.jpg"
        coarse = Image.fromarray(random.integers(256, size=(94, 125, 3), dtype=np.uint8))
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
        sides = 50 + 250 * random.random((NUM_OBJECTS, 2))
        corners = random.random((NUM_OBJECTS, 2)) * ([500, 375] - sides)
        boxes = torch.from_numpy(np.concatenate([corners, corners + sides], axis=1))
        labels = torch.from_numpy(random.integers(20, size=NUM_OBJECTS))
        images.append((path, Truth.of(boxes, labels)))
    names = [str(label) for label in range(20)]
    return DataSet.of(names, images, description="made images")
