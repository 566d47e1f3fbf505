"""From raw outputs to detections, as the original's `detection_output_layer.cpp` does it.

Whatever has no chance is dropped before anything is computed for it: of the 174,640 scores of an
image (SSD300, VOC) a few hundred are looked at. They are few enough to leave the GPU at once, so
that suppression, which takes one box after the other, need not wait for it each time.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.common.postprocess import best_of_each_label, suppressed
from singleshot.detectors.common.settings import ResultSettings
from singleshot.detectors.ssd import BACKGROUND
from singleshot.detectors.ssd.settings import HeadSettings, SsdSettings
from singleshot.structures import Detections

__all__ = ["detections"]

# Priors that are looked at first, for each detection that is kept.
FRONT = 4

# Scores of a softmax add up to 1 but for the last digits.
ROUNDING = 1e-6


class Said(NamedTuple):
    """What the network says at each prior."""

    offsets: Float[Tensor, "b priors 4"]
    scores: Float[Tensor, "b priors classes"]
    ceiling: Float[Tensor, "b priors"]  # no class scores more
    priors_cxcywh_unit: Float[Tensor, "priors 4"]


def detections(
    offsets: Float[Tensor, "b priors 4"],
    logits: Float[Tensor, "b priors columns"],
    priors_cxcywh_unit: Float[Tensor, "priors 4"],
    sizes: list[tuple[int, int]],
    settings: SsdSettings,
) -> list[Detections]:
    """Scores, threshold, the best of each class, suppression, the best of all.

    `sizes` are the (height, width) of the images given; boxes come back in their pixels. Equal
    scores are ordered by label, then by prior.
    """
    results, front = settings.results, FRONT * settings.results.keep
    said = Said(offsets, *scores_and_ceiling(logits, settings.heads), priors_cxcywh_unit)
    likely = (said.ceiling > results.score_threshold).sum(dim=1)
    if int(likely.max()) <= front:
        return reaching(said.offsets.new_zeros(len(offsets), 1), said, sizes, settings)
    said = said._replace(ceiling=said.scores.amax(dim=2))
    if greedy(results):
        # The front of a crowd is enough, unless too many of it suppress each other.
        least = largest(said.ceiling, front)[:, None]
        found = reaching(least, said, sizes, settings)
        whole = (least <= results.score_threshold).flatten().tolist()
        if all(
            is_whole or len(one) == results.keep for one, is_whole in zip(found, whole, strict=True)
        ):
            return found
    return reaching(largest(said.scores, results.top_k), said, sizes, settings)


def scores_and_ceiling(
    logits: Float[Tensor, "b priors columns"], settings: HeadSettings
) -> tuple[Float[Tensor, "b priors classes"], Float[Tensor, "b priors"]]:
    """Probabilities; with a softmax the background takes part, but is no class."""
    if settings.scores == "sigmoid":
        scores = logits.sigmoid()
        return scores, scores.amax(dim=2)
    columns = F.softmax(logits, dim=-1)
    end = logits.shape[-1] - settings.unused_columns
    # What the background leaves to all classes together is known without looking at them.
    return columns[..., BACKGROUND + 1 : end], 1 + ROUNDING - columns[..., BACKGROUND]


def greedy(settings: ResultSettings) -> bool:
    """Whether better boxes alone decide if a box stays: worse ones need not be known then."""
    return settings.suppression in {"hard", "distance"}


def largest(scores: Float[Tensor, "b priors *classes"], number: int) -> Float[Tensor, "b *classes"]:
    """What the best `number` priors of an image have at least, of each class if there are any."""
    return scores.topk(min(number, scores.shape[1]), dim=1).values[:, -1]


def reaching(
    least: Float[Tensor, "b #classes"],
    said: Said,
    sizes: list[tuple[int, int]],
    settings: SsdSettings,
) -> list[Detections]:
    """The detections of each image among all boxes that score so much, clipped to it."""
    results, num_classes = settings.results, said.scores.shape[2]
    image, prior, label = candidates(least, said, results.score_threshold)
    priors, scales = said.priors_cxcywh_unit[prior], settings.priors.offset_scales
    boxes_unit = decode(said.offsets[image, prior], priors, scales)
    if results.clip_before_suppression:
        boxes_unit = boxes_unit.clamp(0, 1)
    # One label for each class of each image: all images are suppressed together.
    found = Detections(boxes_unit, said.scores[image, prior, label], image * num_classes + label)
    found = found[boxes_unit.isfinite().all(dim=1)]
    found = best_of_each_label(found.to(torch.device("cpu")), results.top_k)
    sides = found.boxes.new_tensor([(w, h, w, h) for h, w in sizes])
    kept = suppressed(found, sides[found.labels // num_classes], results)
    detections = by_image(kept, num_classes, sides, results.keep)
    return [each.to(boxes_unit.device) for each in detections]


def candidates(
    least: Float[Tensor, "b #classes"], said: Said, score_threshold: float
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Images, priors and labels of scores above the threshold that are `least` at least."""
    # Most priors are sure of background: their scores are not looked at one by one.
    some = (said.ceiling > score_threshold) & (said.ceiling >= least.amin(dim=1, keepdim=True))
    image, prior = some.nonzero(as_tuple=True)
    scores = said.scores[image, prior]
    row, label = ((scores > score_threshold) & (scores >= least[image])).nonzero(as_tuple=True)
    return image[row], prior[row], label


def by_image(
    found: Detections, num_classes: int, sides: Float[Tensor, "b 4"], keep: int
) -> list[Detections]:
    """The best `keep` of each image, best first, in its pixels and clipped to it."""
    found = found[found.scores.argsort(descending=True, stable=True)]
    found = found[(found.labels // num_classes).argsort(stable=True)]
    image = found.labels // num_classes
    boxes = (found.boxes * sides[image]).clamp(min=0).minimum(sides[image])
    everything = Detections(boxes, found.scores, found.labels % num_classes)
    ends = image.bincount(minlength=len(sides)).cumsum(dim=0).tolist()
    return [
        everything[start : min(start + keep, end)]
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]
