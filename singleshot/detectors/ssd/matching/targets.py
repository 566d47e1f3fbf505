"""What each prior should say: which of them learn an object, and how well they say it already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from singleshot.boxes.geometry import from_unit, pairwise_iou, to_corners, to_unit
from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.common.priors import PriorLevel
from singleshot.detectors.detector import Prepared
from singleshot.detectors.ssd.bipartite import UNMATCHED, match_boxes
from singleshot.detectors.ssd.later_rules import Predicted, atss, simota, task_aligned
from singleshot.detectors.ssd.postprocess import scores_and_ceiling
from singleshot.detectors.ssd.settings import SsdSettings
from singleshot.structures import Truth

__all__ = ["Matched", "Matches", "Outputs", "PreparedMatches", "match_by_place", "match_priors"]


class Outputs(NamedTuple):
    """What the network says of a batch."""

    offsets: Float[Tensor, "b priors 4"]
    logits: Float[Tensor, "b priors columns"]


class Objects(NamedTuple):
    """What there is to learn in a batch."""

    boxes: Float[Tensor, "b n 4"]  # pixels of the input; zeros where an image has fewer than n
    labels: Int[Tensor, "b n"]


class Matches(NamedTuple):
    """The priors of a batch that learn an object, image by image."""

    image: Int[Tensor, " n"]
    prior: Int[Tensor, " n"]
    labels: Int[Tensor, " n"]
    boxes_unit: Float[Tensor, "n 4"]  # of their objects

    def to(self, device: torch.device) -> Matches:
        """The same on another device, without waiting for the copy."""
        return Matches(*(column.to(device, non_blocking=True) for column in self))


@dataclass(frozen=True, slots=True)
class PreparedMatches(Prepared):
    """Matches by a rule that needs no outputs; losses are divided by their number."""

    matches: Matches

    def to(self, device: torch.device) -> PreparedMatches:
        """Copy the matches to a device, without waiting for the copy."""
        return PreparedMatches(self.weight, self.matches.to(device))


class Matched(NamedTuple):
    """Matches, and what is known once the network has said something."""

    image: Int[Tensor, " n"]
    prior: Int[Tensor, " n"]
    labels: Int[Tensor, " n"]
    boxes_unit: Float[Tensor, "n 4"]  # of their objects
    quality: Float[Tensor, " n"]  # what their score should become, for losses that ask for it
    weight: Float[Tensor, " n"]  # how much they count; 1 but for the task-aligned rule


@torch.no_grad()
def match_by_place(
    truths: Sequence[Truth],
    priors_cxcywh_unit: Float[Tensor, "priors 4"],
    levels: Sequence[PriorLevel],
    settings: SsdSettings,
) -> Matches | None:
    """Match by where objects and priors are; None for a rule that asks the network as well.

    On the device of the priors. Crowds are not learned.
    """
    objects = objects_of(truths, priors_cxcywh_unit.device)
    truth_of_prior = by_place(objects, priors_cxcywh_unit, levels, settings)
    return None if truth_of_prior is None else listed(truth_of_prior, objects, settings)


@torch.no_grad()
def match_priors(
    truths: Sequence[Truth],
    outputs: Outputs,
    priors_cxcywh_unit: Float[Tensor, "priors 4"],
    levels: Sequence[PriorLevel],
    settings: SsdSettings,
    *,
    known: Matches | None = None,
) -> Matched:
    """Match by the rule of the recipe, unless it is `known` already; crowds are not learned.

    Quality is the overlap of the box said with the object's; with the task-aligned rule, quality
    and weight both are the alignment (Feng et al. 2021, §3.2.2).
    """
    if known is None:
        objects = objects_of(truths, priors_cxcywh_unit.device)
        matches, alignment = by_rule(objects, outputs, priors_cxcywh_unit, levels, settings)
        known = listed(matches, objects, settings)
        if alignment is not None:
            aligned = alignment[known.image, known.prior]
            return Matched(*known, quality=aligned, weight=aligned)
    offsets = outputs.offsets[known.image, known.prior]
    said = decode(offsets, priors_cxcywh_unit[known.prior], settings.priors.offset_scales)
    quality = pairwise_iou(said[:, None], known.boxes_unit[:, None])[:, 0, 0]
    return Matched(*known, quality=quality, weight=torch.ones_like(quality))


def listed(matches: Int[Tensor, "b priors"], objects: Objects, settings: SsdSettings) -> Matches:
    image, prior = (matches != UNMATCHED).nonzero(as_tuple=True)
    truth = matches[image, prior]
    boxes_unit = to_unit(objects.boxes[image, truth], settings.input)
    return Matches(image, prior, objects.labels[image, truth], boxes_unit)


def by_rule(
    objects: Objects,
    outputs: Outputs,
    priors_cxcywh_unit: Float[Tensor, "priors 4"],
    levels: Sequence[PriorLevel],
    settings: SsdSettings,
) -> tuple[Int[Tensor, "b priors"], Float[Tensor, "b priors"] | None]:
    """The truth of each prior, or UNMATCHED; and how well they are aligned, where that counts."""
    placed = by_place(objects, priors_cxcywh_unit, levels, settings)
    if placed is not None:
        return placed, None
    matching, size = settings.matching, settings.input
    candidates = matching.num_candidates
    priors = from_unit(priors_cxcywh_unit, size)
    said = decode(outputs.offsets, priors_cxcywh_unit, settings.priors.offset_scales)
    scores, _ = scores_and_ceiling(
        outputs.logits, settings.heads.scores, settings.heads.unused_columns
    )
    predicted = Predicted(from_unit(said, size), scores)
    centres = priors[:, :2]
    if matching.rule == "simota":
        strides = prior_strides(levels, like=priors)
        return simota(*objects, predicted, centres, strides=strides, candidates=candidates), None
    return task_aligned(*objects, predicted, centres, candidates=candidates)


def by_place(
    objects: Objects,
    priors_cxcywh_unit: Float[Tensor, "priors 4"],
    levels: Sequence[PriorLevel],
    settings: SsdSettings,
) -> Int[Tensor, "b priors"] | None:
    """The truth of each prior, or UNMATCHED, by the rules that need no outputs."""
    matching, size = settings.matching, settings.input
    if matching.rule == "bipartite":
        corners = to_corners(priors_cxcywh_unit)
        return match_boxes(to_unit(objects.boxes, size), corners, matching.iou_threshold)
    if matching.rule == "atss":
        priors = from_unit(priors_cxcywh_unit, size)
        return atss(objects.boxes, priors, levels, candidates=matching.num_candidates)
    return None


def prior_strides(levels: Sequence[PriorLevel], *, like: Tensor) -> Float[Tensor, "priors 2"]:
    """(across, down) in pixels, for each prior."""
    strides = [like.new_tensor(level.stride[::-1]).expand(len(level), 2) for level in levels]
    return torch.cat(strides)


def without_crowds(truth: Truth) -> Truth:
    # Most images have none, and picking rows of five arrays costs more than looking.
    return truth[~truth.crowd] if truth.crowd.any() else truth


def objects_of(truths: Sequence[Truth], device: torch.device) -> Objects:
    return padded([without_crowds(truth) for truth in truths], device)


def padded(truths: Sequence[Truth], device: torch.device) -> Objects:
    """The objects of a batch in two arrays, filled up with boxes that overlap nothing."""
    # One row at least, so that a batch without objects needs no path of its own.
    empty = truths[0].boxes.new_zeros(1, 4), truths[0].labels.new_zeros(1)
    boxes = [empty[0], *(truth.boxes for truth in truths)]
    labels = [empty[1], *(truth.labels for truth in truths)]
    packed = (nn.utils.rnn.pad_sequence(rows, batch_first=True)[1:] for rows in (boxes, labels))
    return Objects(*(tensor.to(device, non_blocking=True) for tensor in packed))
