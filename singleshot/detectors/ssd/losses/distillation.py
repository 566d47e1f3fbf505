"""Learning from what a larger detector says, its teacher, beside what the labels say.

Classes: the divergence of the student's scores from the teacher's, KL(teacher ‖ student), which is
the soft cross-entropy of Chen et al. 2017 ("Learning Efficient Object Detection Models with
Knowledge Distillation", §3.2) less what the student cannot change, so that it is 0 for a student
that says the same. As there, scores are not softened: in detection no temperature was the best.
Their larger weight of the background is left out: it would make the student surer of the background
than its teacher is, and the balance of classes comes from mining here, as in SSD itself.

Boxes: the recipe's own box loss, with the teacher's box for a truth, times how sure the teacher is
that there is an object (Mehta and Ozturk 2018, "Object detection at 200 Frames Per Second",
"objectness scaled" distillation).

Both are summed over the priors that match a label and those where the student differs most from its
teacher, as many as the paper mines of negatives, and divided as the loss of the labels is.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.boxes.geometry import to_corners, to_unit
from singleshot.detectors.common.priors import PriorLevel
from singleshot.detectors.ssd import BACKGROUND
from singleshot.detectors.ssd.bipartite import UNMATCHED
from singleshot.detectors.ssd.losses.boxes import box_losses
from singleshot.detectors.ssd.losses.mined import hard_negatives, places
from singleshot.detectors.ssd.matching.targets import Matched, Outputs, by_rule, padded
from singleshot.detectors.ssd.settings import SsdSettings
from singleshot.structures import Truth

__all__ = ["Findings", "Lesson", "Opinion", "distillation"]


class Opinion(NamedTuple):
    """What a teacher says at every prior of the student."""

    scores: Float[Tensor, "b priors known"]  # of a softmax: the background first
    boxes_unit: Float[Tensor, "b priors 4"]


class Findings(NamedTuple):
    """What a teacher with other priors says: its detections, image by image."""

    truths: Sequence[Truth]  # pixels of the student's input, the student's labels
    scores: Sequence[Float[Tensor, " _n"]]


class Lesson(NamedTuple):
    """What a teacher says of a batch, of the classes that it shares with its student."""

    said: Opinion | Findings
    columns: Int[Tensor, " known"]  # of the student's class outputs
    weight: float  # in the sum of the losses


class Places(NamedTuple):
    """The priors of a batch that are taught something."""

    flat: Int[Tensor, " n"]  # counted through the whole batch
    prior: Int[Tensor, " n"]


def distillation(
    outputs: Outputs,
    matched: Matched,
    priors_cxcywh_unit: Float[Tensor, "priors 4"],
    levels: Sequence[PriorLevel],
    settings: SsdSettings,
    *,
    lesson: Lesson,
) -> Float[Tensor, ""]:
    """Sum both parts, times the lesson's weight; 0 where the student says the same.

    `matched` are the priors that learn from labels, by whose number the sum is to be divided.
    """
    said = lesson.said
    if isinstance(said, Findings):
        everything = opinion_of(said, outputs, priors_cxcywh_unit, levels, settings)
        said = everything._replace(scores=everything.scores.index_select(2, lesson.columns))
    kind = settings.heads.scores
    logits = outputs.logits.index_select(2, lesson.columns)
    with torch.no_grad():
        differing = divergence(logits, said.scores, kind)
        chosen = taught_priors(differing, matched, lesson.columns, settings)
    scores = said.scores.flatten(0, 1).index_select(0, chosen.flat)
    classes = divergence(logits.flatten(0, 1).index_select(0, chosen.flat), scores, kind)
    boxes = box_losses(
        outputs.offsets.flatten(0, 1).index_select(0, chosen.flat),
        said.boxes_unit.flatten(0, 1).index_select(0, chosen.flat),
        priors_cxcywh_unit[chosen.prior],
        settings,
    )
    certain = 1 - scores[:, BACKGROUND] if kind == "softmax" else scores.amax(dim=1)
    wrong = settings.loss.localization_weight * (certain * boxes).sum()
    return lesson.weight * (classes.sum() + wrong)


def divergence(
    logits: Float[Tensor, "*n known"], scores: Float[Tensor, "*n known"], kind: str
) -> Float[Tensor, "*n"]:
    """KL(scores ‖ those of the logits) at each prior: Σ p log(p / q).

    Of a sigmoid, each class is a choice between it and everything else.
    """
    if kind == "softmax":
        return F.kl_div(F.log_softmax(logits, dim=-1), scores, reduction="none").sum(dim=-1)
    has = F.kl_div(F.logsigmoid(logits), scores, reduction="none")
    has_not = F.kl_div(F.logsigmoid(-logits), 1 - scores, reduction="none")
    return (has + has_not).sum(dim=-1)


def taught_priors(
    differing: Float[Tensor, "b priors"],
    matched: Matched,
    columns: Int[Tensor, " known"],
    settings: SsdSettings,
) -> Places:
    """Matched priors, and as many others as the labels' loss would mine, most differing first.

    A prior whose label the teacher does not know learns from the label alone.
    """
    positive, unknown = torch.zeros_like(differing, dtype=torch.bool).repeat(2, 1, 1)
    positive[matched.image, matched.prior] = True
    wanted = matched.labels + (BACKGROUND + 1 if settings.heads.scores == "softmax" else 0)
    unknown[matched.image, matched.prior] = ~torch.isin(wanted, columns)
    others: Bool[Tensor, "b priors"] = hard_negatives(
        differing,
        positive,
        ratio=settings.matching.negatives_per_positive,
        at_least=settings.matching.min_negatives,
    )
    flat = places((positive | others) & ~unknown)
    return Places(flat, flat % differing.shape[1])


@torch.no_grad()
def opinion_of(
    findings: Findings,
    outputs: Outputs,
    priors_cxcywh_unit: Float[Tensor, "priors 4"],
    levels: Sequence[PriorLevel],
    settings: SsdSettings,
) -> Opinion:
    """Detections, matched to the student's priors by its own rule as if they were truths.

    A prior that matches one is told its score and its box; all others are background.
    """
    priors = priors_cxcywh_unit
    objects = padded(findings.truths, priors.device)
    matches, _ = by_rule(objects, outputs, priors, levels, settings)
    image, prior = (matches != UNMATCHED).nonzero(as_tuple=True)
    found = matches[image, prior]
    told = torch.nn.utils.rnn.pad_sequence(list(findings.scores), batch_first=True)
    score = told.to(priors.device)[image, found]
    scores = outputs.logits.new_zeros(outputs.logits.shape)
    if settings.heads.scores == "softmax":
        scores[..., BACKGROUND] = 1
        scores[image, prior, BACKGROUND] = 1 - score
        scores[image, prior, objects.labels[image, found] + BACKGROUND + 1] = score
    else:
        scores[image, prior, objects.labels[image, found]] = score
    boxes_unit = to_corners(priors).repeat(len(matches), 1, 1)
    boxes_unit[image, prior] = to_unit(objects.boxes[image, found], settings.input)
    return Opinion(scores, boxes_unit)
