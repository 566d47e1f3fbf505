"""Match priors to ground-truth boxes, by the paper's rule or a later one (paper §2.2).

A matched prior is trained towards the box and label of its object, any other towards background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import assert_never

from singleshot.boxes.geometry import from_unit, pairwise_iou, to_corners, to_unit
from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.common.priors import PriorLevel
from singleshot.detectors.detector import Prepared
from singleshot.detectors.ssd.bipartite import UNMATCHED, match_boxes
from singleshot.detectors.ssd.later_rules import Predicted, atss, simota, task_aligned
from singleshot.detectors.ssd.postprocess import scores_and_ceiling
from singleshot.detectors.ssd.priors import Priors
from singleshot.detectors.ssd.settings import MatchingRule, MatchingSettings, Scores
from singleshot.structures import Truth

__all__ = [
    "PAPER_MATCHING",
    "Matched",
    "Matches",
    "MatchingOptions",
    "PaddedTruths",
    "PreparedMatches",
    "SsdOutputs",
    "match_by_place",
    "match_padded",
    "match_priors",
    "pad_truths",
]


class SsdOutputs(NamedTuple):
    """Outputs of an SSD for a batch."""

    offsets: Float[Tensor, "b priors 4"]
    logits: Float[Tensor, "b priors columns"]


class PaddedTruths(NamedTuple):
    """The ground truth of a batch in two arrays."""

    boxes: Float[Tensor, "b n 4"]  # pixels of the input; zeros where an image has fewer than n
    labels: Int[Tensor, "b n"]


class Matches(NamedTuple):
    """The matched priors of a batch, image by image, with their objects."""

    image: Int[Tensor, " n"]
    prior: Int[Tensor, " n"]
    labels: Int[Tensor, " n"]
    boxes_unit: Float[Tensor, "n 4"]

    def to(self, device: torch.device) -> Matches:
        """Copy to a device, without waiting for the copy."""
        return Matches(*(column.to(device, non_blocking=True) for column in self))


@dataclass(frozen=True, slots=True)
class PreparedMatches(Prepared):
    """Matches by a rule that needs no outputs; losses are divided by their number."""

    matches: Matches

    def to(self, device: torch.device) -> PreparedMatches:
        """Copy the matches to a device, without waiting for the copy."""
        return PreparedMatches(self.weight, self.matches.to(device))


class Matched(NamedTuple):
    """The matched priors of a batch, with their objects and how well the outputs fit them."""

    image: Int[Tensor, " n"]
    prior: Int[Tensor, " n"]
    labels: Int[Tensor, " n"]
    boxes_unit: Float[Tensor, "n 4"]
    quality: Float[Tensor, " n"]  # the target of their score, for losses that use it
    weight: Float[Tensor, " n"]  # in the sum of losses; 1 except for the task-aligned rule


@dataclass(frozen=True, slots=True)
class MatchingOptions:
    """A matching rule and its numbers; the defaults are the paper's."""

    rule: MatchingRule = "bipartite"
    iou_threshold: float = 0.5  # of the bipartite rule
    candidates: int | None = None  # of an object, for the later rules; None: their papers' number

    @classmethod
    def from_settings(cls, settings: MatchingSettings) -> MatchingOptions:
        """Translate `model.matching`."""
        return cls(settings.rule, settings.iou_threshold, settings.candidates)

    @property
    def num_candidates(self) -> int:
        """Candidates of an object: as given, or the best number in the rule's paper."""
        match self.rule:
            case "bipartite":
                return 0
            case "atss":
                return self.candidates or 9
            case "task-aligned":
                return self.candidates or 13
            case "simota":
                return self.candidates or 10
            case _:
                assert_never(self.rule)


PAPER_MATCHING = MatchingOptions()


@torch.no_grad()
def match_by_place(
    truths: Sequence[Truth], priors: Priors, options: MatchingOptions = PAPER_MATCHING
) -> Matches | None:
    """Match by the positions of boxes and priors, on the priors' device; crowds are left out.

    None for a rule that needs the network's outputs as well.
    """
    padded = pad_truths(_without_crowds(truths), priors.boxes_cxcywh_unit.device)
    matches = _match_padded_by_place(padded, priors, options)
    if matches is None:
        return None
    return _matches_of(matches, padded, priors.size)


@torch.no_grad()
def match_priors(
    truths: Sequence[Truth],
    outputs: SsdOutputs,
    priors: Priors,
    options: MatchingOptions = PAPER_MATCHING,
    *,
    scores: Scores = "softmax",
    unused_columns: int = 0,
    known: Matches | None = None,
) -> Matched:
    """Match by any rule, unless matches are `known` already; crowds are left out.

    Quality is the IoU of the predicted box with the object's; with the task-aligned rule, quality
    and weight both are the alignment (Feng et al. 2021, §3.2.2).
    """
    if known is None:
        padded = pad_truths(_without_crowds(truths), priors.boxes_cxcywh_unit.device)
        matches, alignment = match_padded(
            padded, outputs, priors, options, scores=scores, unused_columns=unused_columns
        )
        known = _matches_of(matches, padded, priors.size)
        if alignment is not None:
            aligned = alignment[known.image, known.prior]
            return Matched(*known, quality=aligned, weight=aligned)
    offsets = outputs.offsets[known.image, known.prior]
    predicted = decode(offsets, priors.boxes_cxcywh_unit[known.prior], priors.offset_scales)
    quality = pairwise_iou(predicted[:, None], known.boxes_unit[:, None])[:, 0, 0]
    return Matched(*known, quality=quality, weight=torch.ones_like(quality))


def _matches_of(
    truth_of_prior: Int[Tensor, "b priors"], padded: PaddedTruths, size: tuple[int, int]
) -> Matches:
    """Collect the matched priors with the labels and boxes of their objects."""
    image, prior = (truth_of_prior != UNMATCHED).nonzero(as_tuple=True)
    truth = truth_of_prior[image, prior]
    boxes_unit = to_unit(padded.boxes[image, truth], size)
    return Matches(image, prior, padded.labels[image, truth], boxes_unit)


def match_padded(
    padded: PaddedTruths,
    outputs: SsdOutputs,
    priors: Priors,
    options: MatchingOptions,
    *,
    scores: Scores = "softmax",
    unused_columns: int = 0,
) -> tuple[Int[Tensor, "b priors"], Float[Tensor, "b priors"] | None]:
    """Find the truth of each prior, or UNMATCHED, and the alignment where the rule has one."""
    by_place = _match_padded_by_place(padded, priors, options)
    if by_place is not None:
        return by_place, None
    predicted = _decode_outputs(outputs, priors, scores, unused_columns)
    in_pixels = from_unit(priors.boxes_cxcywh_unit, priors.size)
    centres, candidates = in_pixels[:, :2], options.num_candidates
    if options.rule == "task-aligned":
        return task_aligned(*padded, predicted, centres, candidates=candidates)
    assert options.rule == "simota"
    strides = prior_strides(priors.levels, like=in_pixels)
    return simota(*padded, predicted, centres, strides=strides, candidates=candidates), None


def _match_padded_by_place(
    padded: PaddedTruths, priors: Priors, options: MatchingOptions
) -> Int[Tensor, "b priors"] | None:
    """Find the truth of each prior, or UNMATCHED; None for a rule that needs outputs as well."""
    match options.rule:
        case "bipartite":
            corners = to_corners(priors.boxes_cxcywh_unit)
            return match_boxes(to_unit(padded.boxes, priors.size), corners, options.iou_threshold)
        case "atss":
            in_pixels = from_unit(priors.boxes_cxcywh_unit, priors.size)
            number = options.num_candidates
            return atss(padded.boxes, in_pixels, priors.levels, candidates=number)
        case "simota" | "task-aligned":
            return None
        case _:
            assert_never(options.rule)


def _decode_outputs(
    outputs: SsdOutputs, priors: Priors, scores: Scores, unused_columns: int
) -> Predicted:
    """Decode boxes in pixels of the input and scores of the classes."""
    boxes_unit = decode(outputs.offsets, priors.boxes_cxcywh_unit, priors.offset_scales)
    of_classes, _ = scores_and_ceiling(outputs.logits, scores, unused_columns)
    return Predicted(from_unit(boxes_unit, priors.size), of_classes)


def prior_strides(levels: Sequence[PriorLevel], *, like: Tensor) -> Float[Tensor, "priors 2"]:
    """Return the (across, down) stride of each prior's level in pixels."""
    strides = [like.new_tensor(level.stride[::-1]).expand(len(level), 2) for level in levels]
    return torch.cat(strides)


def _without_crowds(truths: Sequence[Truth]) -> list[Truth]:
    """Leave out boxes around crowds."""
    # Most images have none, and selecting rows of five arrays costs more than the test.
    return [truth[~truth.crowd] if truth.crowd.any() else truth for truth in truths]


def pad_truths(truths: Sequence[Truth], device: torch.device) -> PaddedTruths:
    """Pack the ground truth of a batch, padded with boxes that overlap nothing."""
    # One row at least, so that a batch without objects needs no path of its own.
    empty = truths[0].boxes.new_zeros(1, 4), truths[0].labels.new_zeros(1)
    boxes = [empty[0], *(truth.boxes for truth in truths)]
    labels = [empty[1], *(truth.labels for truth in truths)]
    packed = (nn.utils.rnn.pad_sequence(rows, batch_first=True)[1:] for rows in (boxes, labels))
    return PaddedTruths(*(tensor.to(device, non_blocking=True) for tensor in packed))
