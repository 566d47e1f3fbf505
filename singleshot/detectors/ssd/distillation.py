"""Distillation: train an SSD by the outputs of a larger one, its teacher, as well as by labels.

Where both have the same priors and the same kind of scores, the student's targets are the teacher's
scores and box at every prior; otherwise the teacher's detections, matched to its priors as labels
are.

Classes: the divergence of the student's scores from the teacher's, KL(teacher ‖ student), which is
the soft cross-entropy of Chen et al. 2017 ("Learning Efficient Object Detection Models with
Knowledge Distillation", §3.2) less what the student cannot change, so that it is 0 for equal
scores. As there, scores are not softened: in detection no temperature was the best. Their larger
weight of the background is left out: it would make the student's background scores higher than its
teacher's, and the balance of classes comes from mining here, as in SSD itself.

Boxes: the recipe's own box loss, with the teacher's box for a truth, times the teacher's
probability of an object (Mehta and Ozturk 2018, "Object detection at 200 Frames Per Second",
"objectness scaled" distillation).

Both are summed over the priors that match a label and those where the student differs most from its
teacher, as many as the paper mines of negatives, and divided as the loss of the labels is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from typing_extensions import assert_never

from singleshot.boxes.geometry import to_corners, to_unit
from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.common.class_names import coco_name
from singleshot.detectors.detector import Losses, Objective, Prepared
from singleshot.detectors.ssd import BACKGROUND
from singleshot.detectors.ssd.bipartite import UNMATCHED
from singleshot.detectors.ssd.loss import (
    PAPER_LOSS,
    LossOptions,
    box_losses,
    flat_indices,
    hard_negatives,
)
from singleshot.detectors.ssd.matching import (
    PAPER_MATCHING,
    Matched,
    MatchingOptions,
    SsdOutputs,
    match_padded,
    pad_truths,
)
from singleshot.detectors.ssd.network import Ssd
from singleshot.detectors.ssd.priors import Priors
from singleshot.detectors.ssd.settings import Scores
from singleshot.errors import ModelError, some_of
from singleshot.structures import Batch, Detections, Truth

__all__ = [
    "DistilledSsd",
    "SsdTeacher",
    "TeacherDetections",
    "TeacherOutputs",
    "distillation_loss",
    "outputs_from_detections",
]

SAME_PRIOR = 1e-5  # fractions of the input
UNKNOWN = -1
_SMALLEST_SIDE = 1.0  # pixels: less of a box is left when it is clipped to an image's edge


class TeacherOutputs(NamedTuple):
    """A teacher's outputs at every prior of the student."""

    scores: Float[Tensor, "b priors shared"]  # of a softmax: the background first
    boxes_unit: Float[Tensor, "b priors 4"]


class TeacherDetections(NamedTuple):
    """Detections of a teacher with other priors, image by image."""

    truths: Sequence[Truth]  # pixels of the student's input, the student's labels
    scores: Sequence[Float[Tensor, " _n"]]


class DistilledSsd(Objective):
    """A student SSD whose losses have a term of its teacher's outputs, "distillation"."""

    fixed_graph: ClassVar[bool] = True

    def __init__(self, student: Ssd, teacher: SsdTeacher, weight: float) -> None:
        """`weight` is that of the term in the sum; the losses of labels have 1."""
        super().__init__()
        self.student = student
        # No module: the teacher is no part of what is trained.
        self.teacher = teacher
        self.weight = weight

    def prepare(self, truths: Sequence[Truth]) -> Prepared | None:
        """Match objects to the student's priors on the host, as far as that is possible."""
        return self.student.prepare(truths)

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Compute the student's losses, and the term that the teacher adds."""
        targets = self.teacher.targets(batch.images)
        student, columns = self.student, self.teacher.columns
        priors, scores = student.priors_on_device, student.heads.scores
        outputs, matched = student.match(batch, prepared)
        losses = student.losses_of(outputs, matched)
        if isinstance(targets, TeacherDetections):
            every_class = outputs_from_detections(
                targets,
                outputs,
                priors,
                student.matching_options,
                scores=scores,
                unused_columns=student.heads.unused_columns,
            )
            of_shared = every_class.scores.index_select(2, columns)
            targets = every_class._replace(scores=of_shared)
        sum_ = self.weight * distillation_loss(
            outputs, matched, targets, priors, student.loss_options, columns=columns, scores=scores
        )
        return losses.with_term("distillation", sum_, len(matched.prior))


@dataclass(frozen=True)
class SsdTeacher:
    """A frozen SSD whose outputs are targets for a student."""

    detector: Ssd
    labels: tuple[int, ...]  # the student's, of the classes that both have
    own_labels: tuple[int, ...]  # the teacher's, of the same classes
    columns: Int[Tensor, " shared"]  # of the student's class outputs, of the same classes
    same_outputs: bool  # both have the same kind of scores at the same priors
    score_threshold: float  # detections with a lower score are no targets

    @classmethod
    def of(cls, detector: Ssd, student: Ssd, *, score_threshold: float, source: str) -> SsdTeacher:
        """Freeze a detector as a teacher for this student; `source` is what an error names.

        Classes go by name; the student learns one that the teacher lacks from labels alone. Raises
        ModelError if they share no class.
        """
        theirs = [coco_name(name) for name in detector.class_names]
        ours = [coco_name(name) for name in student.class_names]
        labels = tuple(label for label, name in enumerate(ours) if name in theirs)
        if not labels:
            raise ModelError(
                f"{source}: has the classes {some_of(detector.class_names)}, and the images "
                f"{some_of(student.class_names)}; a teacher must share a class name with them"
            )
        background = student.heads.scores == "softmax"
        columns = [BACKGROUND] * background + [label + background for label in labels]
        return cls(
            detector.eval().requires_grad_(False),
            labels,
            tuple(theirs.index(ours[label]) for label in labels),
            columns=torch.tensor(columns, device=student.pixel_mean.device),
            same_outputs=_have_same_outputs(detector, student),
            score_threshold=score_threshold,
        )

    def describe(self, student: Ssd) -> str:
        """Name the classes that are distilled, and by which outputs."""
        names = [self.detector.class_names[label] for label in self.own_labels]
        by = "scores at every prior" if self.same_outputs else "detections, as its priors differ"
        rest = [name for i, name in enumerate(student.class_names) if i not in self.labels]
        alone = f"; without a teacher: {some_of(rest)}" if rest else ""
        return f"distils {some_of(names)} by {by}{alone}"

    def targets(self, images: UInt8[Tensor, "b 3 h w"]) -> TeacherOutputs | TeacherDetections:
        """Run the teacher on images at the student's input size, on its own device."""
        return self.outputs(images) if self.same_outputs else self.detections(images)

    @torch.inference_mode()
    def outputs(self, images: UInt8[Tensor, "b 3 h w"]) -> TeacherOutputs:
        """Compute scores and boxes at every prior; classes that the student lacks are background.

        In float32, whatever the precision.
        """
        detector = self.detector
        offsets, logits, priors = detector.raw_outputs(self.at_own_size(images).float())
        own = torch.tensor(self.own_labels, device=logits.device)
        match detector.heads.scores:
            case "sigmoid":
                scores = logits.index_select(2, own).sigmoid()
            case "softmax":
                columns = logits.softmax(dim=-1)
                shared = columns.index_select(2, own + BACKGROUND + 1)
                rest = torch.ones_like(columns[0, 0], dtype=torch.bool)
                rest[own + BACKGROUND + 1] = False
                background = columns[..., rest].sum(dim=-1, keepdim=True)
                scores = torch.cat([background, shared], dim=-1)
            case _:
                assert_never(detector.heads.scores)
        return TeacherOutputs(scores, decode(offsets, priors, detector.priors.offset_scales))

    def at_own_size(self, images: UInt8[Tensor, "b 3 h w"]) -> Tensor:
        """Resize as the teacher's own recipe does, unless both have one input size."""
        same = tuple(images.shape[2:]) == self.detector.priors.size
        return images if same else self.detector.resize_images(list(images))

    def detections(self, images: UInt8[Tensor, "b 3 h w"]) -> TeacherDetections:
        """Detect objects of the shared classes, in the student's labels."""
        label_of = dict(zip(self.own_labels, self.labels, strict=True))
        table = torch.full((len(self.detector.class_names),), UNKNOWN)
        for theirs, ours in label_of.items():
            table[theirs] = ours
        found = [self.usable(one, table) for one in self.detector.detect(list(images))]
        truths = [Truth.of(one.boxes, one.labels) for one in found]
        return TeacherDetections(truths, [one.scores for one in found])

    def usable(self, found: Detections, table: Int[Tensor, " theirs"]) -> Detections:
        """Keep detections that are sure and large enough, of a shared class; labels by a table."""
        found = found.to(torch.device("cpu"))
        found = Detections(found.boxes, found.scores, table[found.labels])
        large = (found.boxes[:, 2:] - found.boxes[:, :2] >= _SMALLEST_SIDE).all(dim=1)
        sure = found.scores >= self.score_threshold
        return found[large & sure & (found.labels != UNKNOWN)]


def _have_same_outputs(detector: Ssd, student: Ssd) -> bool:
    """Compare the kind of scores and the priors of two detectors."""
    theirs, ours = detector.priors_cxcywh_unit, student.priors_cxcywh_unit
    return (
        detector.heads.scores == student.heads.scores
        and theirs.shape == ours.shape
        and torch.allclose(theirs.cpu(), ours.cpu(), rtol=0, atol=SAME_PRIOR)
    )


def distillation_loss(
    outputs: SsdOutputs,
    matched: Matched,
    targets: TeacherOutputs,
    priors: Priors,
    options: LossOptions = PAPER_LOSS,
    *,
    columns: Int[Tensor, " shared"],
    scores: Scores = "softmax",
) -> Float[Tensor, ""]:
    """Sum both parts; 0 where student and teacher agree.

    `matched` are the priors trained by labels, by whose number the sum is to be divided; `columns`
    are those of the student's class outputs that `targets.scores` belong to.
    """
    logits = outputs.logits.index_select(2, columns)
    with torch.no_grad():
        differences = divergence(logits, targets.scores, kind=scores)
        selected = distilled_priors(differences, matched, columns, options, scores=scores)
    of_teacher = targets.scores.flatten(0, 1).index_select(0, selected)
    of_student = logits.flatten(0, 1).index_select(0, selected)
    classes = divergence(of_student, of_teacher, kind=scores)
    boxes = box_losses(
        outputs.offsets.flatten(0, 1).index_select(0, selected),
        targets.boxes_unit.flatten(0, 1).index_select(0, selected),
        priors.boxes_cxcywh_unit[selected % differences.shape[1]],
        kind=options.localization,
        offset_scales=priors.offset_scales,
        size=priors.size,
    )
    is_object = 1 - of_teacher[:, BACKGROUND] if scores == "softmax" else of_teacher.amax(dim=1)
    return classes.sum() + options.localization_weight * (is_object * boxes).sum()


def divergence(
    logits: Float[Tensor, "*n shared"], scores: Float[Tensor, "*n shared"], *, kind: Scores
) -> Float[Tensor, "*n"]:
    """Compute KL(scores ‖ those of the logits) at each prior: Σ p log(p / q).

    Of a sigmoid, each class is a choice between it and everything else.
    """
    match kind:
        case "softmax":
            return F.kl_div(F.log_softmax(logits, dim=-1), scores, reduction="none").sum(dim=-1)
        case "sigmoid":
            has = F.kl_div(F.logsigmoid(logits), scores, reduction="none")
            has_not = F.kl_div(F.logsigmoid(-logits), 1 - scores, reduction="none")
            return (has + has_not).sum(dim=-1)
        case _:
            assert_never(kind)


def distilled_priors(
    differences: Float[Tensor, "b priors"],
    matched: Matched,
    columns: Int[Tensor, " shared"],
    options: LossOptions,
    *,
    scores: Scores,
) -> Int[Tensor, " n"]:
    """Select matched priors, and as many others as the labels' loss would mine, as flat indices.

    Of the others those where student and teacher differ most. A prior whose label the teacher lacks
    learns from the label alone.
    """
    positive, unknown = torch.zeros_like(differences, dtype=torch.bool).repeat(2, 1, 1)
    positive[matched.image, matched.prior] = True
    true_columns = matched.labels + (BACKGROUND + 1 if scores == "softmax" else 0)
    unknown[matched.image, matched.prior] = ~torch.isin(true_columns, columns)
    others: Bool[Tensor, "b priors"] = hard_negatives(
        differences,
        positive,
        ratio=options.negatives_per_positive,
        at_least=options.min_negatives,
    )
    return flat_indices((positive | others) & ~unknown)


@torch.no_grad()
def outputs_from_detections(
    detections: TeacherDetections,
    outputs: SsdOutputs,
    priors: Priors,
    options: MatchingOptions = PAPER_MATCHING,
    *,
    scores: Scores = "softmax",
    unused_columns: int = 0,
) -> TeacherOutputs:
    """Match detections to the student's priors by its own rule, as if they were ground truth.

    The targets of a matched prior are a detection's score and box; all others are background.
    """
    boxes_cxcywh_unit = priors.boxes_cxcywh_unit
    padded = pad_truths(detections.truths, boxes_cxcywh_unit.device)
    matches, _ = match_padded(
        padded, outputs, priors, options, scores=scores, unused_columns=unused_columns
    )
    image, prior = (matches != UNMATCHED).nonzero(as_tuple=True)
    detection = matches[image, prior]
    all_scores = torch.nn.utils.rnn.pad_sequence(list(detections.scores), batch_first=True)
    score = all_scores.to(boxes_cxcywh_unit.device)[image, detection]
    targets = outputs.logits.new_zeros(outputs.logits.shape)
    match scores:
        case "softmax":
            targets[..., BACKGROUND] = 1
            targets[image, prior, BACKGROUND] = 1 - score
            targets[image, prior, padded.labels[image, detection] + BACKGROUND + 1] = score
        case "sigmoid":
            targets[image, prior, padded.labels[image, detection]] = score
        case _:
            assert_never(scores)
    boxes_unit = to_corners(boxes_cxcywh_unit).repeat(len(matches), 1, 1)
    boxes_unit[image, prior] = to_unit(padded.boxes[image, detection], priors.size)
    return TeacherOutputs(targets, boxes_unit)
