"""Matching, targets, mining and loss, with gradients: ours and torchvision's.

32 images of SSD300 with 20 classes and random raw outputs. Theirs is what `SSD.forward` does when
it trains: `box_iou` and `SSDMatcher` image by image, then `compute_loss`. Both differentiate
the sum of the losses for offsets and logits. Bare kernel: one cross-entropy of all logits, with
its gradient.
"""

import statistics
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou

from benchmarks.peer import NUM_CLASSES, SIZE, pair
from benchmarks.timing import alternately, ratio
from singleshot.detectors.ssd.network import Ssd
from singleshot.structures import Batch, Truth

ROUNDS = 11
BATCH = 32
OBJECTS = (5, 50)  # of an image


def main() -> None:
    ours, theirs, priors = pair()
    print("| objects of an image | ours | torchvision | torchvision / ours | cross-entropy |")
    print("|---|---|---|---|---|")
    for number in OBJECTS:
        random = torch.Generator().manual_seed(0)
        truths = [random_truth(number, random) for _ in range(BATCH)]
        offsets = torch.randn(BATCH, len(priors), 4, generator=random, requires_grad=True)
        logits = torch.randn(
            BATCH, len(priors), 1 + NUM_CLASSES, generator=random, requires_grad=True
        )
        mine, peer, bare = alternately(
            [
                partial(our_gradients, ours, offsets, logits, truths),
                partial(their_gradients, theirs, priors, offsets, logits, truths),
                partial(bare_cross_entropy, logits),
            ],
            ROUNDS,
        )
        cells = [f"{statistics.median(times):.0f} ms" for times in (mine, peer, bare)]
        print(f"| {number} | {' | '.join([*cells[:2], f'{ratio(peer, mine):.1f}', cells[2]])} |")


def random_truth(number: int, random: torch.Generator) -> Truth:
    sides = 15 + 150 * torch.rand(number, 2, generator=random)
    corners = torch.rand(number, 2, generator=random) * (SIZE[0] - sides)
    labels = torch.randint(NUM_CLASSES, (number,), generator=random)
    return Truth.of(torch.cat([corners, corners + sides], dim=1), labels)


def our_gradients(model: Ssd, offsets: Tensor, logits: Tensor, truths: list[Truth]) -> None:
    """Compute all of `losses` except the network."""
    images = torch.zeros(len(truths), 3, 1, 1, dtype=torch.uint8)
    batch = Batch(images, tuple(truths), ("",) * len(truths))
    model.forward, forward = lambda _: (offsets, logits), model.forward
    try:
        torch.autograd.grad(model.losses(batch).total, [offsets, logits])
    finally:
        model.forward = forward


def their_gradients(
    model: SSD, priors: Tensor, offsets: Tensor, logits: Tensor, truths: list[Truth]
) -> None:
    targets = [{"boxes": truth.boxes, "labels": 1 + truth.labels} for truth in truths]
    matches = [model.proposal_matcher(box_iou(truth.boxes, priors)) for truth in truths]
    outputs = {"bbox_regression": offsets, "cls_logits": logits}
    losses = model.compute_loss(targets, outputs, [priors] * len(truths), matches)
    torch.autograd.grad(sum(losses.values()), [offsets, logits])


def bare_cross_entropy(logits: Tensor) -> None:
    columns = torch.zeros(logits.shape[:2], dtype=torch.int64)
    loss = F.cross_entropy(logits.flatten(0, 1), columns.flatten(), reduction="sum")
    torch.autograd.grad(loss, [logits])
