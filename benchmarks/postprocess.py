"""Postprocessing of raw outputs: ours and torchvision's `SSD.postprocess_detections`.

8 images of SSD300 with 20 classes. Trained-like scores: nearly all priors are sure of background,
those around a few objects are sure of a class. Flat ones, as of an untrained network: every score
is near 1 / 21 and above the threshold. Bare kernels: one softmax of the logits, and one NMS
of the best boxes of each class, of which torchvision's kernel is given each class by itself.
"""

import statistics
from functools import partial

import torch
from torch import Tensor
from torchvision.ops import nms

from benchmarks.peer import NUM_CLASSES, SIZE, pair
from benchmarks.timing import alternately, ratio
from singleshot.boxes.geometry import pairwise_iou
from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.common.postprocess import PostprocessOptions
from singleshot.detectors.ssd.postprocess import postprocess
from singleshot.structures import Detections

ROUNDS = 15
BATCH = 8
OBJECTS = 5


def main() -> None:
    ours, theirs, priors = pair()
    options = PostprocessOptions.from_settings(ours.settings.results)
    unit = ours.priors_cxcywh_unit
    print("| scores | ours | torchvision | torchvision / ours | softmax | NMS | same |")
    print("|---|---|---|---|---|---|---|")
    for name, make in (("trained-like", trained_logits), ("flat", flat_logits)):
        random = torch.Generator().manual_seed(0)
        logits = make(priors, random)
        offsets = 0.5 * torch.randn(BATCH, len(priors), 4, generator=random)
        outputs = {"bbox_regression": offsets, "cls_logits": logits}
        works = [
            partial(postprocess, offsets, logits, unit, [SIZE] * BATCH, options=options),
            partial(theirs.postprocess_detections, outputs, [priors] * BATCH, [SIZE] * BATCH),
            partial(torch.softmax, logits, -1),
            partial(bare_nms, candidates(offsets, logits, unit)),
        ]
        agreement = in_both(works[0](), works[1]())
        mine, peer, *bare = alternately(works, ROUNDS)
        cells = [f"{statistics.median(times):.1f} ms" for times in (mine, peer, *bare)]
        columns = [name, *cells[:2], f"{ratio(peer, mine):.1f}", *cells[2:], agreement]
        print(f"| {' | '.join(columns)} |")


def flat_logits(priors: Tensor, random: torch.Generator) -> Tensor:
    return 0.2 * torch.randn(BATCH, len(priors), 1 + NUM_CLASSES, generator=random)


def trained_logits(priors: Tensor, random: torch.Generator) -> Tensor:
    """Draw logits: the more a prior overlaps an object, the higher the score of its class."""
    logits = torch.randn(BATCH, len(priors), 1 + NUM_CLASSES, generator=random)
    logits[..., 0] += 10
    sides = 30 + 150 * torch.rand(BATCH, OBJECTS, 2, generator=random)
    corners = torch.rand(BATCH, OBJECTS, 2, generator=random) * (SIZE[0] - sides)
    iou = pairwise_iou(torch.cat([corners, corners + sides], dim=-1), priors)
    for image in range(BATCH):
        for overlap in iou[image]:
            column = 1 + int(torch.randint(NUM_CLASSES, (), generator=random))
            logits[image, :, column] += 16 * overlap
    return logits


@torch.inference_mode()
def candidates(offsets: Tensor, logits: Tensor, priors_unit: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return boxes and scores of each class of each image, at most 400."""
    boxes = decode(offsets, priors_unit, (0.1, 0.2)).clamp(0, 1)
    parts = []
    for image, scores in enumerate(logits.softmax(dim=-1)):
        for score in scores.T[1:]:
            best, prior = score.topk(400)
            above = best > 0.01
            parts.append((boxes[image, prior[above]], best[above]))
    return parts


def bare_nms(parts: list[tuple[Tensor, Tensor]]) -> None:
    for boxes, scores in parts:
        nms(boxes, scores, 0.45)


def in_both(ours: list[Detections], theirs: list[dict[str, Tensor]]) -> str:
    """Count the detections found by both: overlaps at the threshold may differ by rounding."""
    mine = {
        (image, label, round(score, 5))
        for image, found in enumerate(ours)
        for label, score in zip(found.labels.tolist(), found.scores.tolist(), strict=True)
    }
    peer = {
        (image, label - 1, round(score, 5))
        for image, found in enumerate(theirs)
        for label, score in zip(found["labels"].tolist(), found["scores"].tolist(), strict=True)
    }
    return f"{len(mine & peer)} of {len(mine | peer)}"
