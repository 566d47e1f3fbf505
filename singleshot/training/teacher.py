"""A larger detector that teaches a smaller one, while that learns from labels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.checkpoints.transfer import COCO_NAME, coco_names, listed
from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.ssd import BACKGROUND
from singleshot.detectors.ssd.losses.distillation import Findings, Lesson, Opinion
from singleshot.detectors.ssd.network import Ssd
from singleshot.detectors.ssd.settings import DistillationSettings
from singleshot.errors import ModelError
from singleshot.structures import Batch, Detections, Truth

__all__ = ["Teacher", "fingerprint_of"]

SAME_PRIOR = 1e-5  # fractions of the input
UNKNOWN = -1
SMALLEST_SIDE = 1.0  # pixels: less of a box is left when it is clipped to an image's edge


@dataclass(frozen=True)
class Teacher:
    """A detector that is asked about each batch, and never changes."""

    detector: Ssd
    settings: DistillationSettings
    labels: tuple[int, ...]  # the student's, of the classes that both know
    own_labels: tuple[int, ...]  # the teacher's, of the same classes
    alone: tuple[str, ...]  # classes of the student that it does not know
    columns: Int[Tensor, " known"]  # of the student's class outputs, that it speaks of
    same_priors: bool  # it says the same kind of thing at the same places as its student
    fingerprint: str  # of the detector: a run goes on with the teacher it was begun with

    @classmethod
    def of(
        cls,
        detector: Ssd,
        student: Ssd,
        settings: DistillationSettings,
        *,
        fingerprint: str,
        place: str,
    ) -> Teacher:
        """A teacher for this student; `place` is what an error names.

        Classes go by name; one that the teacher does not know is learned from labels alone. Raises
        ModelError when there is none that both know.
        """
        theirs, ours = coco_names(detector.class_names), coco_names(student.class_names)
        labels = tuple(label for label, name in enumerate(ours) if name in theirs)
        if not labels:
            raise ModelError(
                f"{place}: knows {listed(detector.class_names)}, but the images have "
                f"{listed(student.class_names)}; a teacher must know a class by the same name"
            )
        background = student.settings.heads.scores == "softmax"
        columns = [BACKGROUND] * background + [label + background for label in labels]
        return cls(
            detector.eval().requires_grad_(False),
            settings,
            labels,
            tuple(theirs.index(ours[label]) for label in labels),
            alone=tuple(
                name for name in student.class_names if COCO_NAME.get(name, name) not in theirs
            ),
            columns=torch.tensor(columns, device=student.pixel_mean.device),
            same_priors=speak_alike(detector, student),
            fingerprint=fingerprint,
        )

    def __str__(self) -> str:
        """For a person: what it teaches, and how."""
        names = [self.detector.class_names[label] for label in self.own_labels]
        how = "at every prior" if self.same_priors else "by its detections: its priors are others"
        rest = f"; labels alone teach {listed(self.alone)}" if self.alone else ""
        return f"teaches {listed(tuple(names))} {how}{rest}"

    def lesson(self, batch: Batch) -> Lesson:
        """What it says of images at the student's input size, on its own device."""
        said = self.opinion(batch.images) if self.same_priors else self.findings(batch.images)
        return Lesson(said, self.columns, self.settings.weight)

    @torch.inference_mode()
    def opinion(self, images: UInt8[Tensor, "b 3 h w"]) -> Opinion:
        """Scores and boxes at every prior; objects that the student does not know are background.

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
        """Resized as the teacher's own recipe says, unless both have one input size."""
        same = tuple(images.shape[2:]) == self.detector.settings.input
        return images if same else self.detector.resized(list(images))

    def findings(self, images: UInt8[Tensor, "b 3 h w"]) -> Findings:
        """Detections of classes that the student knows, in its labels."""
        label_of = dict(zip(self.own_labels, self.labels, strict=True))
        table = torch.full((len(self.detector.class_names),), UNKNOWN)
        for theirs, ours in label_of.items():
            table[theirs] = ours
        found = [self.worth_telling(one, table) for one in self.detector.detect(list(images))]
        truths = [Truth.of(one.boxes, one.labels) for one in found]
        return Findings(truths, [one.scores for one in found])

    def worth_telling(self, found: Detections, table: Int[Tensor, " theirs"]) -> Detections:
        """What is sure, large enough and known to the student, in labels from a table."""
        found = found.to(torch.device("cpu"))
        found = Detections(found.boxes, found.scores, table[found.labels])
        seen = (found.boxes[:, 2:] - found.boxes[:, :2] >= SMALLEST_SIDE).all(dim=1)
        sure = found.scores >= self.settings.score_threshold
        return found[seen & sure & (found.labels != UNKNOWN)]


def speak_alike(detector: Ssd, student: Ssd) -> bool:
    """Whether both give the same kind of scores at the same priors."""
    theirs, ours = detector.priors_cxcywh_unit, student.priors_cxcywh_unit
    return (
        detector.settings.heads.scores == student.settings.heads.scores
        and theirs.shape == ours.shape
        and torch.allclose(theirs.cpu(), ours.cpu(), rtol=0, atol=SAME_PRIOR)
    )


def fingerprint_of(checkpoint: Checkpoint) -> str:
    """A hash of all that a detector's answers follow from."""
    about = checkpoint.recipe.model.model_dump_json() + json.dumps(checkpoint.class_names)
    digest = hashlib.sha256(about.encode())
    for name, tensor in sorted(checkpoint.weights.items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
