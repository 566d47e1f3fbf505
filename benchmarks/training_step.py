"""What a whole training step costs, over a bare forward and backward pass of the same network.

The whole step draws and varies pictures (decoded ones, as the cache keeps them), matches priors,
computes the loss, clips the gradient, steps the optimizer and averages the weights. The bare pass
runs the network on one fixed tensor and differentiates the mean of its outputs. Both take turns.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from singleshot.build import build_training
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Sample, Truth
from singleshot.training.loop import Training
from singleshot.training.run_folder import RunFolder
from singleshot.training.watch import Audience

ROUNDS = 9
NUM_PICTURES = 64
OBJECTS = 13  # of a picture: the mean of the blood-cell data
CASES = {"ssdlite320-lite0": {}, "ssd300-vgg16": {"training.batch_size": 4, "training.workers": 0}}


def main() -> None:
    print("| recipe | batch | bare pass | whole step | ratio | augmentation | targets and loss |")
    print("|---|---|---|---|---|---|---|")
    for name, overrides in CASES.items():
        print(row(name, overrides))


def row(name: str, overrides: dict[str, object]) -> str:
    overrides = {**overrides, "training.precision": "float32"}
    recipe = load_recipe(name, overrides)
    with TemporaryDirectory() as folder:
        training, batches = build_training(
            recipe,
            pictures(),
            ["one", "two", "three"],
            fingerprint="",
            folder=RunFolder(Path(folder)),
            watch=Audience([]),
            evaluate=None,
            resume=False,
        )
        endless = forever(iter(batches))
        fixed = next(endless)
        training.model.train()
        bare, whole, data, loss = [], [], [], []
        for _ in range(ROUNDS):
            bare.append(seconds(lambda: bare_pass(training, fixed)))
            whole.append(seconds(lambda: training.step(next(endless), 0.0)))
            data.append(seconds(lambda: next(endless)))
            loss.append(seconds(lambda: targets_and_loss(training, fixed)))
    middle = [statistics.median(times[1:]) for times in (bare, whole, data, loss)]
    ratio = statistics.median(w / b for w, b in zip(whole[1:], bare[1:], strict=True))
    cells = [f"{1000 * value:.0f} ms" for value in middle]
    columns = [name, str(len(fixed)), *cells[:2], f"{ratio:.3f}", *cells[2:]]
    return f"| {' | '.join(columns)} |"


def pictures() -> list[Sample]:
    """Pictures of 640 × 480 with boxes of many sizes; what they show does not matter for time."""
    random = torch.Generator().manual_seed(0)
    samples = []
    for number in range(NUM_PICTURES):
        pixels = torch.randint(256, (480, 640, 3), generator=random, dtype=torch.uint8)
        sides = 40 + 160 * torch.rand(OBJECTS, 2, generator=random)
        corners = torch.rand(OBJECTS, 2, generator=random) * (torch.tensor([640, 480]) - sides)
        labels = torch.randint(3, (OBJECTS,), generator=random)
        truth = Truth.of(torch.cat([corners, corners + sides], dim=1), labels)
        samples.append(Sample(pixels.permute(2, 0, 1), truth, str(number)))
    return samples


def forever(batches: Iterator[Batch]) -> Iterator[Batch]:
    yield from batches
    raise AssertionError("the recipe has fewer steps than the benchmark takes")


def bare_pass(training: Training, batch: Batch) -> None:
    offsets, logits = training.model(batch.images)
    (offsets.mean() + logits.mean()).backward()
    training.optimizer.zero_grad(set_to_none=True)


def targets_and_loss(training: Training, batch: Batch) -> None:
    """What remains of `losses` when the network is taken away."""
    model = training.model
    priors = len(model.priors_cxcywh_unit)
    outputs = (
        torch.zeros(len(batch), priors, 4, requires_grad=True),
        torch.zeros(len(batch), priors, 1 + len(model.class_names), requires_grad=True),
    )
    model.forward, forward = lambda _: outputs, model.forward
    try:
        model.losses(batch).total.backward()
    finally:
        model.forward = forward


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
