"""From raw outputs to detections, as the original's `detection_output_layer.cpp` does it.

Priors that cannot reach the score threshold are dropped before anything is computed for them: of
the 174,640 scores of an image (SSD300, VOC) a few hundred are left. They are few enough to be
copied from the GPU at once, so that NMS, which takes one box after the other, need not wait for it
each time.

Horizontal-flip test-time augmentation (TTA) is at the end.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import assert_never

from singleshot.detectors.common.box_coding import OFFSET_SCALES, decode
from singleshot.detectors.common.postprocess import (
    PAPER_POSTPROCESSING,
    PostprocessOptions,
    apply_nms,
    best_of_each_label,
)
from singleshot.detectors.ssd import BACKGROUND
from singleshot.detectors.ssd.settings import Scores
from singleshot.structures import Detections

__all__ = [
    "RawOutputs",
    "concatenate_outputs",
    "postprocess",
    "scores_and_ceiling",
    "unflip_outputs",
]

# Priors that are tried first, for each detection that is kept.
FRONT = 4

# Scores of a softmax add up to 1 but for the last digits.
_ROUNDING = 1e-6


class _ScoredPriors(NamedTuple):
    """Outputs of a batch, with scores for logits."""

    offsets: Float[Tensor, "b priors 4"]
    scores: Float[Tensor, "b priors classes"]
    ceiling: Float[Tensor, "b priors"]  # no class has a higher score
    priors_cxcywh_unit: Float[Tensor, "priors 4"]


def postprocess(
    offsets: Float[Tensor, "b priors 4"],
    logits: Float[Tensor, "b priors columns"],
    priors_cxcywh_unit: Float[Tensor, "priors 4"],
    sizes: list[tuple[int, int]],
    *,
    scores: Scores = "softmax",
    unused_columns: int = 0,
    offset_scales: tuple[float, float] = OFFSET_SCALES,
    options: PostprocessOptions = PAPER_POSTPROCESSING,
) -> list[Detections]:
    """Compute scores, drop low ones, keep the best of each class, apply NMS, keep the best of all.

    `sizes` are the (height, width) of the original images; boxes are in their pixels. Equal scores
    are ordered by label, then by prior. A prior with NaN among its logits is no detection. Each
    detection has the index of its prior.
    """
    front = FRONT * options.keep
    all_scores, ceiling = scores_and_ceiling(logits, scores, unused_columns)
    broken = ceiling.isnan()
    if broken.any():  # NaN would count among the largest
        all_scores = all_scores.masked_fill(broken[..., None], -1)
        ceiling = ceiling.masked_fill(broken, -1)
    scored = _ScoredPriors(offsets, all_scores, ceiling, priors_cxcywh_unit)
    possible = (ceiling > options.score_threshold).sum(dim=1)
    if int(possible.max()) <= front:
        none = offsets.new_zeros(len(offsets), 1)
        return _detections_above(none, scored, sizes, offset_scales, options)
    scored = scored._replace(ceiling=all_scores.amax(dim=2))
    if _is_greedy(options):
        # The front of a crowd is enough, unless too many of it suppress each other.
        least = _kth_largest(scored.ceiling, front)[:, None]
        detections = _detections_above(least, scored, sizes, offset_scales, options)
        whole = (least <= options.score_threshold).flatten().tolist()
        if all(
            is_whole or len(one) == options.keep
            for one, is_whole in zip(detections, whole, strict=True)
        ):
            return detections
    least = _kth_largest(all_scores, options.top_k)
    return _detections_above(least, scored, sizes, offset_scales, options)


def scores_and_ceiling(
    logits: Float[Tensor, "b priors columns"], scores: Scores, unused_columns: int = 0
) -> tuple[Float[Tensor, "b priors classes"], Float[Tensor, "b priors"]]:
    """Compute the probability of each class, and a number that none of a prior's exceeds.

    A softmax is over the background as well, which is no class.
    """
    match scores:
        case "sigmoid":
            of_classes = logits.sigmoid()
            return of_classes, of_classes.amax(dim=2)
        case "softmax":
            columns = F.softmax(logits, dim=-1)
            of_classes = columns[..., BACKGROUND + 1 : logits.shape[-1] - unused_columns]
            # What the background leaves to all classes together needs no look at each.
            return of_classes, 1 + _ROUNDING - columns[..., BACKGROUND]
        case _:
            assert_never(scores)


def _is_greedy(options: PostprocessOptions) -> bool:
    """Return whether NMS keeps a box by better boxes alone: worse ones are then not needed."""
    match options.nms:
        case "hard" | "distance":
            return True
        case "soft" | "weighted":
            return False
        case _:
            assert_never(options.nms)


def _kth_largest(scores: Float[Tensor, "b priors *classes"], k: int) -> Float[Tensor, "b *classes"]:
    """Find the k-th largest score of each image, or of each of its classes."""
    return scores.topk(min(k, scores.shape[1]), dim=1).values[:, -1]


def _detections_above(
    least: Float[Tensor, "b #classes"],
    scored: _ScoredPriors,
    sizes: list[tuple[int, int]],
    offset_scales: tuple[float, float],
    options: PostprocessOptions,
) -> list[Detections]:
    """Detect among all boxes with a score of at least `least`; boxes are clipped to their image."""
    num_classes = scored.scores.shape[2]
    image, prior, label = _candidates_above(least, scored, options.score_threshold)
    priors = scored.priors_cxcywh_unit[prior]
    boxes_unit = decode(scored.offsets[image, prior], priors, offset_scales)
    if options.clip_before_nms:
        boxes_unit = boxes_unit.clamp(0, 1)
    # One label for each class of each image: NMS is over all images at once.
    scores = scored.scores[image, prior, label]
    candidates = Detections(boxes_unit, scores, image * num_classes + label, prior)
    candidates = candidates[boxes_unit.isfinite().all(dim=1)]
    candidates = best_of_each_label(candidates.to(torch.device("cpu")), options.top_k)
    sides = candidates.boxes.new_tensor([(w, h, w, h) for h, w in sizes])
    kept = apply_nms(candidates, sides[candidates.labels // num_classes], options)
    detections = _split_by_image(kept, num_classes, sides, options.keep)
    return [each.to(boxes_unit.device) for each in detections]


def _candidates_above(
    least: Float[Tensor, "b #classes"], scored: _ScoredPriors, score_threshold: float
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Return images, priors and labels of scores above the threshold and not below `least`."""
    # Most priors are certain background: their scores are not compared one by one.
    possible = (scored.ceiling > score_threshold) & (
        scored.ceiling >= least.amin(dim=1, keepdim=True)
    )
    image, prior = possible.nonzero(as_tuple=True)
    scores = scored.scores[image, prior]
    row, label = ((scores > score_threshold) & (scores >= least[image])).nonzero(as_tuple=True)
    return image[row], prior[row], label


def _split_by_image(
    detections: Detections, num_classes: int, sides: Float[Tensor, "b 4"], keep: int
) -> list[Detections]:
    """Keep the best of each image, best first, in its pixels and clipped to it."""
    detections = detections[detections.scores.argsort(descending=True, stable=True)]
    detections = detections[(detections.labels // num_classes).argsort(stable=True)]
    image = detections.labels // num_classes
    boxes = (detections.boxes * sides[image]).clamp(min=0).minimum(sides[image])
    everything = replace(detections, boxes=boxes, labels=detections.labels % num_classes)
    ends = image.bincount(minlength=len(sides)).cumsum(dim=0).tolist()
    return [
        everything[start : min(start + keep, end)]
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]


class RawOutputs(NamedTuple):
    """Outputs of the network for a batch, and the priors they belong to."""

    offsets: Float[Tensor, "b priors 4"]
    logits: Float[Tensor, "b priors columns"]
    priors_cxcywh_unit: Float[Tensor, "priors 4"]


def unflip_outputs(outputs: RawOutputs) -> RawOutputs:
    """Turn outputs for flipped images into those for the images: priors are flipped with boxes."""
    offsets, logits, priors = outputs
    x, rest = priors[:, :1], priors[:, 1:]
    unflipped = torch.cat([-offsets[..., :1], offsets[..., 1:]], dim=-1)
    return RawOutputs(unflipped, logits, torch.cat([1 - x, rest], dim=1))


def concatenate_outputs(outputs: RawOutputs, others: RawOutputs) -> RawOutputs:
    """Concatenate outputs at two sets of priors; one NMS is then over all their boxes.

    It keeps the better of two boxes, or, where it is "weighted", their mean. Averaging prior by
    prior instead would need grids that are symmetric; those of SSD300 are not, since their strides
    lead beyond the image on one side.
    """
    return RawOutputs(
        torch.cat([outputs.offsets, others.offsets], dim=1),
        torch.cat([outputs.logits, others.logits], dim=1),
        torch.cat([outputs.priors_cxcywh_unit, others.priors_cxcywh_unit]),
    )
