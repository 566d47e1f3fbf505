"""Galleries: what is right and what is wrong, cut out of the images."""

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
from singleshot.metrics.hits import paired_iou
from singleshot.report.images import Box, data_uri, rounded, scaled

__all__ = ["Crop", "Gallery", "Place", "Wanted", "choose_galleries", "choose_suspects", "crop"]

MOST_CROPS = 12
MOST_SUSPECTS = 24
SIDE = 176  # pixels of a crop in the page
ROOM = 1.6  # side of a crop, by the longer side of what it shows
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
        "Found twice",
        "A surer detection has hit the object already.",
    ),
    ErrorType.BACKGROUND: (
        "Nothing there",
        "No annotated object comes near: an IoU of at most 0.1. Some may be objects that nobody "
        "annotated.",
    ),
}
DOUBTS = {
    SuspectKind.MISSING_ANNOTATION: "not annotated?",
    SuspectKind.WRONG_CLASS: "another class?",
    SuspectKind.WRONG_BOX: "another box?",
    SuspectKind.DOUBLE_ANNOTATION: "annotated twice?",
}


class Outline(NamedTuple):
    """A box to draw, in pixels of the image, or of the crop once it is cut."""

    box: Box
    style: str  # a class of the style sheet: hit, false, missed, annotated


@dataclass(frozen=True)
class Place:
    """Something to cut out of an image."""

    image: int  # index of the image
    outlines: tuple[Outline, ...]  # the most important one last
    title: str
    detail: str


@dataclass(frozen=True)
class Wanted:
    """A gallery before its images are read."""

    title: str
    explanation: str
    total: int  # of which these places are some
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Crop:
    """A part of an image to show."""

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
) -> list[Wanted]:
    """Hits and misses at random, false positives of each kind with the surest first."""
    found = Finds(diagnosis, truths)
    hits = np.flatnonzero(diagnosis.kept_hits.hit)
    missed = np.flatnonzero(found.missed())
    wanted = [
        Wanted(
            "Hits",
            "Some at random.",
            len(hits),
            tuple(map(found.hit, some(hits, random))),
        ),
        Wanted(
            "Misses",
            "Annotated objects that no detection hits; some at random.",
            len(missed),
            tuple(map(found.miss, some(missed, random))),
        ),
    ]
    for error, (title, explanation) in FALSE_POSITIVES.items():
        wrong = np.flatnonzero(diagnosis.kept_errors.are(error))
        surest = wrong[np.argsort(-diagnosis.kept.scores[wrong], kind="stable")]
        places = tuple(map(found.false_positive, surest[:MOST_CROPS].tolist()))
        wanted.append(Wanted(title, f"{explanation} The surest first.", len(wrong), places))
    return [one for one in wanted if one.total]


def choose_suspects(diagnosis: Diagnosis, truths: Truths) -> Wanted:
    """Annotations in doubt, of each kind the surest first."""
    found = Finds(diagnosis, truths)
    return Wanted(
        "Suspected label errors",
        "",
        len(diagnosis.suspects),
        tuple(map(found.suspect, diagnosis.suspects[:MOST_SUSPECTS])),
    )


def some(indices: Int64[np.ndarray, " n"], random: torch.Generator) -> list[int]:
    """A few of them, in a random order."""
    chosen = torch.randperm(len(indices), generator=random)[:MOST_CROPS]
    return [int(index) for index in indices[chosen.numpy()]]


@dataclass(frozen=True)
class Finds:
    """What to show of one detection or truth."""

    diagnosis: Diagnosis
    truths: Truths

    def missed(self) -> Bool[np.ndarray, " m"]:
        """Truths that count and that nothing hits."""
        missed = ~self.diagnosis.protocol.ignores(self.truths)
        missed[self.diagnosis.kept_hits.truths[self.diagnosis.kept_hits.hit]] = False
        return missed

    def hit(self, index: int) -> Place:
        """A detection with the truth it hits."""
        return self.detection(index, int(self.diagnosis.kept_hits.truths[index]), "hit")

    def false_positive(self, index: int) -> Place:
        """A detection with the truth it is about, if any."""
        return self.detection(index, int(self.diagnosis.kept_errors.truths[index]), "false")

    def detection(self, index: int, truth: int, style: str) -> Place:
        """A detection, with a truth unless that is -1."""
        kept = self.diagnosis.kept
        label = int(kept.labels[index])
        details = [f"score {kept.scores[index]:.2f}"]
        outlines = [Outline(rounded(kept.boxes[index]), style)]
        if truth >= 0:
            pair = kept.boxes[index : index + 1], self.truths.boxes[truth : truth + 1]
            details.append(f"IoU {paired_iou(*pair)[0]:.2f}")
            outlines.insert(0, self.annotated(truth))
            annotated = int(self.truths.labels[truth])
            if annotated != label:
                details.append(f"annotated {self.diagnosis.class_names[annotated]}")
        name = self.diagnosis.class_names[label]
        return Place(int(kept.images[index]), tuple(outlines), name, ", ".join(details))

    def miss(self, truth: int) -> Place:
        """An object that nothing hits."""
        outline = Outline(rounded(self.truths.boxes[truth]), "missed")
        name = self.diagnosis.class_names[self.truths.labels[truth]]
        width, height = self.truths.boxes[truth, 2:] - self.truths.boxes[truth, :2]
        size = f"{width:.0f} × {height:.0f} pixels"
        return Place(int(self.truths.images[truth]), (outline,), name, size)

    def suspect(self, suspect: Suspect) -> Place:
        """An annotation in doubt, and what doubts it."""
        outlines = [Outline(suspect.box, "false")]
        details = [DOUBTS[suspect.kind]]
        if suspect.kind is SuspectKind.DOUBLE_ANNOTATION:
            details.append(f"IoU {suspect.score:.2f}")
        else:
            details.append(f"found with score {suspect.score:.2f}")
        if suspect.truth >= 0:
            outlines.insert(0, self.annotated(suspect.truth))
            if self.truths.labels[suspect.truth] != suspect.label:
                annotated = self.diagnosis.class_names[self.truths.labels[suspect.truth]]
                details.append(f"annotated {annotated}")
        name = self.diagnosis.class_names[suspect.label]
        return Place(suspect.image, tuple(outlines), name, ", ".join(details))

    def annotated(self, truth: int) -> Outline:
        """The box of a truth."""
        return Outline(rounded(self.truths.boxes[truth]), "annotated")


def crop(place: Place, image: UInt8[Tensor, "3 h w"], path: str) -> Crop:
    """Cut a place out of its image, with some room around it."""
    left, top, right, bottom = region(place.outlines, image.shape[-2], image.shape[-1])
    part = image[:, top:bottom, left:right]
    factor = min(1.0, SIDE / max(part.shape[-2:]))
    smaller = scaled(part, factor)
    return Crop(
        uri=data_uri(smaller),
        width=smaller.shape[-1],
        height=smaller.shape[-2],
        outlines=tuple(
            one._replace(box=rounded((np.array(one.box) - [left, top, left, top]) * factor))
            for one in place.outlines
        ),
        title=place.title,
        detail=place.detail,
        name=PurePath(path).name,
    )


def region(outlines: Sequence[Outline], height: int, width: int) -> tuple[int, int, int, int]:
    """A square (x1, y1, x2, y2) around boxes, moved and shortened to lie in the image."""
    boxes = np.array([one.box for one in outlines])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    limits = np.array([width, height])
    side = np.minimum(max(SMALLEST_REGION, ROOM * (high - low).max()), limits)
    start = ((low + high - side) / 2).clip(0, limits - side).astype(int)
    end = np.minimum(np.ceil(start + side).astype(int), limits)
    return int(start[0]), int(start[1]), int(end[0]), int(end[1])
