"""Galleries: true positives and errors, cut out of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from singleshot.metrics import Truths
from singleshot.metrics.diagnosis import Diagnosis, ErrorType, Suspect, SuspectKind
from singleshot.metrics.diagnosis.error_types import find_undetected
from singleshot.metrics.voc_matching import paired_iou
from singleshot.report.images import Box, data_uri, round_box, scale_image

__all__ = [
    "Crop",
    "CropPlan",
    "Gallery",
    "GalleryPlan",
    "Outline",
    "choose_galleries",
    "choose_suspects",
    "cut_crop",
]

MOST_CROPS = 12
MOST_SUSPECTS = 24
SIDE = 176  # pixels of a crop in the page
MARGIN = 1.6  # side of a crop, by the longer side of its boxes
SMALLEST_REGION = 32.0  # pixels of the image: less shows nothing

FALSE_POSITIVES = {
    ErrorType.LOCALIZATION: (
        "Badly placed",
        "The right class, but too little overlap: an IoU from 0.1 to the threshold.",
    ),
    ErrorType.CLASS: (
        "Wrong class",
        "Well placed on an object of another class.",
    ),
    ErrorType.BOTH: (
        "Wrong class, badly placed",
        "Near an object of another class, with an IoU below the threshold.",
    ),
    ErrorType.DUPLICATE: (
        "Duplicate",
        "A surer detection is the true positive of the object.",
    ),
    ErrorType.BACKGROUND: (
        "Background",
        "No annotated object is near: an IoU of at most 0.1. Some may be objects without "
        "annotation.",
    ),
}
QUESTIONS = {
    SuspectKind.MISSING_ANNOTATION: "not annotated?",
    SuspectKind.WRONG_CLASS: "another class?",
    SuspectKind.WRONG_BOX: "another box?",
    SuspectKind.DOUBLE_ANNOTATION: "annotated twice?",
}


class Outline(NamedTuple):
    """A box to draw, in pixels of the image, or of the crop once it is cut."""

    box: Box
    style: str  # a class of the style sheet: tp, fp, fn, annotated


@dataclass(frozen=True)
class CropPlan:
    """Crop of an image before the image is read."""

    image: int  # index of the image
    outlines: tuple[Outline, ...]  # the most important one last
    title: str
    detail: str


@dataclass(frozen=True)
class GalleryPlan:
    """A gallery before its images are read."""

    title: str
    explanation: str
    total: int  # of which these crops are some
    crops: tuple[CropPlan, ...]


@dataclass(frozen=True)
class Crop:
    """Part of an image with its boxes and caption."""

    uri: str
    width: int
    height: int
    outlines: tuple[Outline, ...]
    title: str
    detail: str
    name: str  # of the image


@dataclass(frozen=True)
class Gallery:
    """Crops of one kind."""

    title: str
    explanation: str
    total: int
    crops: tuple[Crop, ...]


def choose_galleries(
    diagnosis: Diagnosis, truths: Truths, *, random: torch.Generator
) -> list[GalleryPlan]:
    """Choose true positives and false negatives at random, false positives by falling score."""
    planner = _Planner(diagnosis, truths)
    true_positives = np.flatnonzero(diagnosis.kept_outcomes.true_positive)
    false_negatives = np.flatnonzero(planner.undetected())
    plans = [
        GalleryPlan(
            "True positives",
            "Some at random.",
            len(true_positives),
            tuple(map(planner.true_positive, some(true_positives, random))),
        ),
        GalleryPlan(
            "False negatives",
            "Annotated objects without a true positive; some at random.",
            len(false_negatives),
            tuple(map(planner.false_negative, some(false_negatives, random))),
        ),
    ]
    for error, (title, explanation) in FALSE_POSITIVES.items():
        wrong = np.flatnonzero(diagnosis.kept_errors.are(error))
        surest = wrong[np.argsort(-diagnosis.kept.scores[wrong], kind="stable")]
        crops = tuple(map(planner.false_positive, surest[:MOST_CROPS].tolist()))
        plans.append(GalleryPlan(title, f"{explanation} The surest first.", len(wrong), crops))
    return [one for one in plans if one.total]


def choose_suspects(diagnosis: Diagnosis, truths: Truths) -> GalleryPlan:
    """Choose suspected label errors, of each kind the surest first."""
    planner = _Planner(diagnosis, truths)
    return GalleryPlan(
        "Suspected label errors",
        "",
        len(diagnosis.suspects),
        tuple(map(planner.suspect, diagnosis.suspects[:MOST_SUSPECTS])),
    )


def some(indices: Int64[np.ndarray, " n"], random: torch.Generator) -> list[int]:
    """Choose a few in random order."""
    chosen = torch.randperm(len(indices), generator=random)[:MOST_CROPS]
    return [int(index) for index in indices[chosen.numpy()]]


@dataclass(frozen=True)
class _Planner:
    """Plans the crops of detections and truths."""

    diagnosis: Diagnosis
    truths: Truths

    def undetected(self) -> Bool[np.ndarray, " m"]:
        """Mark the truths that count and that no detection is a true positive of."""
        return find_undetected(
            self.diagnosis.kept_outcomes, ignore=self.diagnosis.protocol.ignores(self.truths)
        )

    def true_positive(self, index: int) -> CropPlan:
        """Show a detection with its truth."""
        return self.detection(index, int(self.diagnosis.kept_outcomes.truths[index]), "tp")

    def false_positive(self, index: int) -> CropPlan:
        """Show a detection with the truth that its error is about, if any."""
        return self.detection(index, int(self.diagnosis.kept_errors.truths[index]), "fp")

    def detection(self, index: int, truth: int, style: str) -> CropPlan:
        """Show a detection, with a truth unless that is -1."""
        kept = self.diagnosis.kept
        label = int(kept.labels[index])
        details = [f"score {kept.scores[index]:.2f}"]
        outlines = [Outline(round_box(kept.boxes[index]), style)]
        if truth >= 0:
            pair = kept.boxes[index : index + 1], self.truths.boxes[truth : truth + 1]
            details.append(f"IoU {paired_iou(*pair)[0]:.2f}")
            outlines.insert(0, self.annotated(truth))
            annotated = int(self.truths.labels[truth])
            if annotated != label:
                details.append(f"annotated {self.diagnosis.class_names[annotated]}")
        name = self.diagnosis.class_names[label]
        return CropPlan(int(kept.images[index]), tuple(outlines), name, ", ".join(details))

    def false_negative(self, truth: int) -> CropPlan:
        """Show an undetected object."""
        outline = Outline(round_box(self.truths.boxes[truth]), "fn")
        name = self.diagnosis.class_names[self.truths.labels[truth]]
        width, height = self.truths.boxes[truth, 2:] - self.truths.boxes[truth, :2]
        size = f"{width:.0f} × {height:.0f} pixels"
        return CropPlan(int(self.truths.images[truth]), (outline,), name, size)

    def suspect(self, suspect: Suspect) -> CropPlan:
        """Show an annotation in doubt with the detection that contradicts it."""
        outlines = [Outline(suspect.box, "fp")]
        details = [QUESTIONS[suspect.kind]]
        if suspect.kind is SuspectKind.DOUBLE_ANNOTATION:
            details.append(f"IoU {suspect.score:.2f}")
        else:
            details.append(f"detected with score {suspect.score:.2f}")
        if suspect.truth >= 0:
            outlines.insert(0, self.annotated(suspect.truth))
            if self.truths.labels[suspect.truth] != suspect.label:
                annotated = self.diagnosis.class_names[self.truths.labels[suspect.truth]]
                details.append(f"annotated {annotated}")
        name = self.diagnosis.class_names[suspect.label]
        return CropPlan(suspect.image, tuple(outlines), name, ", ".join(details))

    def annotated(self, truth: int) -> Outline:
        """Outline the box of a truth."""
        return Outline(round_box(self.truths.boxes[truth]), "annotated")


def cut_crop(plan: CropPlan, image: UInt8[Tensor, "3 h w"], path: str) -> Crop:
    """Cut a crop out of its image, with some margin."""
    left, top, right, bottom = square_around(plan.outlines, image.shape[-2], image.shape[-1])
    part = image[:, top:bottom, left:right]
    factor = min(1.0, SIDE / max(part.shape[-2:]))
    smaller = scale_image(part, factor)
    return Crop(
        uri=data_uri(smaller),
        width=smaller.shape[-1],
        height=smaller.shape[-2],
        outlines=tuple(
            one._replace(box=round_box((np.array(one.box) - [left, top, left, top]) * factor))
            for one in plan.outlines
        ),
        title=plan.title,
        detail=plan.detail,
        name=PurePath(path).name,
    )


def square_around(
    outlines: Sequence[Outline], height: int, width: int
) -> tuple[int, int, int, int]:
    """Find the square (x1, y1, x2, y2) around boxes, moved and shortened to lie in the image."""
    boxes = np.array([one.box for one in outlines])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    limits = np.array([width, height])
    side = np.minimum(max(SMALLEST_REGION, MARGIN * (high - low).max()), limits)
    start = ((low + high - side) / 2).clip(0, limits - side).astype(int)
    end = np.minimum(np.ceil(start + side).astype(int), limits)
    return int(start[0]), int(start[1]), int(end[0]), int(end[1])
