"""Train an SSD by the outputs of a larger one, its teacher, as well as by labels.

Where both have the same priors and the same kind of scores, the student learns the teacher's scores
and box at every prior; otherwise the teacher's detections, matched to its priors as labels are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.common.class_names import coco_name
from singleshot.detectors.detector import Losses, Objective, Prepared
from singleshot.detectors.ssd import BACKGROUND
from singleshot.detectors.ssd.losses.distillation import Findings, Lesson, Opinion, distillation
from singleshot.detectors.ssd.network import Ssd
from singleshot.errors import ModelError, some_of
from singleshot.structures import Batch, Detections, Truth

__all__ = ["DistilledSsd", "SsdTeacher"]

SAME_PRIOR = 1e-5  # fractions of the input
UNKNOWN = -1
SMALLEST_SIDE = 1.0  # pixels: less of a box is left when it is clipped to an image's edge


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
        lesson = self.teacher.outputs(batch.images, self.weight)
        student = self.student
        outputs, matched = student.match(batch, prepared)
        losses = student.losses_of(outputs, matched)
        sum_ = distillation(
            outputs,
            matched,
            student.priors_cxcywh_unit,
            student.levels,
            student.settings,
            lesson=lesson,
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
        background = student.settings.heads.scores == "softmax"
        columns = [BACKGROUND] * background + [label + background for label in labels]
        return cls(
            detector.eval().requires_grad_(False),
            labels,
            tuple(theirs.index(ours[label]) for label in labels),
            columns=torch.tensor(columns, device=student.pixel_mean.device),
            same_outputs=have_same_outputs(detector, student),
            score_threshold=score_threshold,
        )

    def describe(self, student: Ssd) -> str:
        """Name the classes that are distilled, and by which outputs."""
        names = [self.detector.class_names[label] for label in self.own_labels]
        by = "scores at every prior" if self.same_outputs else "detections, as its priors differ"
        rest = [name for i, name in enumerate(student.class_names) if i not in self.labels]
        alone = f"; without a teacher: {some_of(rest)}" if rest else ""
        return f"distils {some_of(names)} by {by}{alone}"

    def outputs(self, images: UInt8[Tensor, "b 3 h w"], weight: float) -> Lesson:
        """Run the teacher on images at the student's input size, on its own device."""
        said = self.opinion(images) if self.same_outputs else self.findings(images)
        return Lesson(said, self.columns, weight)

    @torch.inference_mode()
    def opinion(self, images: UInt8[Tensor, "b 3 h w"]) -> Opinion:
        """Compute scores and boxes at every prior; classes that the student lacks are background.

        In float32, whatever the precision.
        """
        offsets, logits, priors = self.detector.said(self.at_own_size(images).float())
        own = torch.tensor(self.own_labels, device=logits.device)
        heads, scales = self.detector.settings.heads, self.detector.settings.priors.offset_scales
        if heads.scores == "sigmoid":
            scores = logits.index_select(2, own).sigmoid()
        else:
            columns = logits.softmax(dim=-1)
            known = columns.index_select(2, own + BACKGROUND + 1)
            rest = torch.ones_like(columns[0, 0], dtype=torch.bool)
            rest[own + BACKGROUND + 1] = False
            background = columns[..., rest].sum(dim=-1, keepdim=True)
            scores = torch.cat([background, known], dim=-1)
        return Opinion(scores, decode(offsets, priors, scales))

    def at_own_size(self, images: UInt8[Tensor, "b 3 h w"]) -> Tensor:
        """Resize as the teacher's own recipe does, unless both have one input size."""
        same = tuple(images.shape[2:]) == self.detector.settings.input
        return images if same else self.detector.resized(list(images))

    def findings(self, images: UInt8[Tensor, "b 3 h w"]) -> Findings:
        """Detect objects of the shared classes, in the student's labels."""
        label_of = dict(zip(self.own_labels, self.labels, strict=True))
        table = torch.full((len(self.detector.class_names),), UNKNOWN)
        for theirs, ours in label_of.items():
            table[theirs] = ours
        found = [self.usable(one, table) for one in self.detector.detect(list(images))]
        truths = [Truth.of(one.boxes, one.labels) for one in found]
        return Findings(truths, [one.scores for one in found])

    def usable(self, found: Detections, table: Int[Tensor, " theirs"]) -> Detections:
        """Keep detections that are sure and large enough, of a shared class; labels by a table."""
        found = found.to(torch.device("cpu"))
        found = Detections(found.boxes, found.scores, table[found.labels])
        seen = (found.boxes[:, 2:] - found.boxes[:, :2] >= SMALLEST_SIDE).all(dim=1)
        sure = found.scores >= self.score_threshold
        return found[seen & sure & (found.labels != UNKNOWN)]


def have_same_outputs(detector: Ssd, student: Ssd) -> bool:
    """Compare the kind of scores and the priors of two detectors."""
    theirs, ours = detector.priors_cxcywh_unit, student.priors_cxcywh_unit
    return (
        detector.settings.heads.scores == student.settings.heads.scores
        and theirs.shape == ours.shape
        and torch.allclose(theirs.cpu(), ours.cpu(), rtol=0, atol=SAME_PRIOR)
    )
