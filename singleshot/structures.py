"""Types of the whole package: annotations, training samples and batches, detections.

All are frozen. A bare `boxes` is (x1, y1, x2, y2) in pixels of the image
it belongs to, half-open; labels run from 0 to C-1 and never mean background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from singleshot.boxes.geometry import area

__all__ = [
    "Batch",
    "Detections",
    "Detector",
    "Objects",
    "Sample",
    "Truth",
    "objects_of",
]


@dataclass(frozen=True, slots=True)
class Truth:
    """The annotation of one image."""

    boxes: Float[Tensor, "n 4"]
    labels: Int[Tensor, " n"]
    difficult: Bool[Tensor, " n"]  # VOC: neither detecting nor missing it counts
    crowd: Bool[Tensor, " n"]  # a region: detections in it do not count; never trained on
    areas: Float[Tensor, " n"]  # square pixels; COCO's is the segmentation's, for its size ranges

    @classmethod
    def of(cls, boxes: Float[Tensor, "n 4"], labels: Int[Tensor, " n"]) -> Truth:
        """Build the truth of ordinary objects: none difficult, none a crowd."""
        no = torch.zeros(len(labels), dtype=torch.bool)
        return cls(boxes, labels, no, no.clone(), area(boxes))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, keep: Tensor | slice) -> Truth:
        return Truth(*(getattr(self, field.name)[keep] for field in fields(self)))


class Objects(NamedTuple):
    """Ground truth of an image on the network's device, without crowds."""

    boxes: Float[Tensor, "truths 4"]
    labels: Int[Tensor, " truths"]  # without a background


def objects_of(truth: Truth, device: torch.device) -> Objects:
    """Copy the objects of an annotation to a device; crowds are left out."""
    ordinary = truth[~truth.crowd]
    return Objects(ordinary.boxes.to(device), ordinary.labels.to(device))


@dataclass(frozen=True, slots=True)
class Sample:
    """One annotated image."""

    image: UInt8[Tensor, "3 h w"]  # RGB
    truth: Truth
    name: str  # path of the image


@dataclass(frozen=True, slots=True)
class Batch:
    """Images of one size, ready for the network."""

    images: UInt8[Tensor, "b 3 h w"]
    truths: tuple[Truth, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Batch:
        """Stack samples whose images have one size; channels come last in memory."""
        images = torch.stack([sample.image.permute(1, 2, 0) for sample in samples])
        truths = tuple(sample.truth for sample in samples)
        return cls(images.permute(0, 3, 1, 2), truths, tuple(sample.name for sample in samples))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, images: slice) -> Batch:
        return Batch(self.images[images], self.truths[images], self.names[images])

    def parts(self, number: int) -> list[Batch]:
        """Split the batch into parts of nearly equal length, which share its memory."""
        ends = [len(self) * part // number for part in range(number + 1)]
        return [self[start:end] for start, end in pairwise(ends)]

    def pin_memory(self) -> Batch:
        """Copy images to page-locked memory, so that copies to a GPU overlap with its work."""
        return Batch(self.images.pin_memory(), self.truths, self.names)

    def to(self, device: torch.device) -> Batch:
        """Copy the images to a device without waiting for the copy.

        Truths stay on the host: a model packs them into a few arrays before they move.
        """
        return Batch(self.images.to(device, non_blocking=True), self.truths, self.names)


@dataclass(frozen=True, slots=True)
class Detections:
    """Detections in one image, best first."""

    boxes: Float[Tensor, "n 4"]
    scores: Float[Tensor, " n"]  # probability of the label
    labels: Int[Tensor, " n"]
    # Index of the prior that each was decoded from; None from detectors that do not tell it.
    priors: Int[Tensor, " n"] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, keep: Tensor | slice) -> Detections:
        priors = None if self.priors is None else self.priors[keep]
        return Detections(self.boxes[keep], self.scores[keep], self.labels[keep], priors)

    def to(self, device: torch.device) -> Detections:
        """Copy the detections to a device."""
        priors = None if self.priors is None else self.priors.to(device)
        return Detections(
            self.boxes.to(device), self.scores.to(device), self.labels.to(device), priors
        )


@runtime_checkable
class Detector(Protocol):
    """An object detector: a trained network, an exported model, or any other."""

    class_names: tuple[str, ...]

    def detect(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Detect objects in RGB images of any sizes; boxes are in pixels of each image."""
        ...
