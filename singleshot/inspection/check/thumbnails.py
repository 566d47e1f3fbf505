"""Images of a page of findings: around the boxes in question, or whole, with what is annotated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from singleshot.data.dataset import DataSet
from singleshot.data.findings import Finding
from singleshot.data.image_files.decoding import read_image
from singleshot.errors import DataError
from singleshot.report.images import Box, data_uri, scale_image

__all__ = ["BoxOutline", "Figure", "Thumbnail", "Thumbnails"]

LONGEST_SIDE = 320  # pixels of a thumbnail
CONTEXT = 3.0  # side of what is shown, by the longer side of the boxes
LEAST_SHOWN = 0.3  # of the shorter side of the image
LEAST_SIDE = 16.0  # pixels of a box in a thumbnail: one without area could not be seen
MOST_OUTLINES = 60  # of other objects in one thumbnail
MOST_IN_GROUP = 4

# Styles of the page for the boxes of a finding: the one in question, then those that it is about.
IN_QUESTION, COUNTERPART, OTHER = "fp", "tp", "annotated"


class BoxOutline(NamedTuple):
    """A box to draw, in pixels of the thumbnail."""

    box: Box
    style: str


@dataclass(frozen=True)
class Thumbnail:
    """A part of an image with boxes."""

    name: str
    uri: str
    width: int
    height: int
    outlines: tuple[BoxOutline, ...]


@dataclass(frozen=True)
class Figure:
    """One finding with its images, side by side if there are several."""

    finding: Finding
    thumbnails: tuple[Thumbnail, ...]


class Thumbnails:
    """Makes the figures of findings about the images of a data set."""

    def __init__(self, dataset: DataSet) -> None:
        self.dataset = dataset
        self.index_of: Mapping[str, int] = {
            path: index for index, path in enumerate(dataset.paths.tolist())
        }

    def figure(self, finding: Finding) -> Figure | None:
        """Make the figure of a finding; None where no image can be shown."""
        paths = [finding.image, *finding.others][:MOST_IN_GROUP]
        made = [self._thumbnail(path, finding.boxes) for path in paths if path]
        thumbnails = tuple(one for one in made if one is not None)
        return Figure(finding, thumbnails) if thumbnails else None

    def _thumbnail(self, path: str, boxes: Sequence[Box]) -> Thumbnail | None:
        """Cut the part around these boxes out of an image; without boxes it is shown whole."""
        try:
            image = read_image(Path(path), truncated="keep")
        except DataError:
            return None
        height, width = image.shape[-2:]
        left, top, right, bottom = _region(boxes, height, width)
        part = image[:, top:bottom, left:right]
        factor = LONGEST_SIDE / max(part.shape[-2:])
        part = scale_image(part, factor)
        outlines = [BoxOutline(box, OTHER) for box in self._others(path, boxes)]
        styles = [IN_QUESTION, *[COUNTERPART] * (len(boxes) - 1)]
        # That in question last, above the others.
        outlines += [BoxOutline(*one) for one in zip(boxes, styles, strict=False)][::-1]
        return Thumbnail(
            PurePath(path).name,
            data_uri(part),
            part.shape[-1],
            part.shape[-2],
            tuple(BoxOutline(_moved(one.box, (left, top), factor), one.style) for one in outlines),
        )

    def _others(self, path: str, boxes: Sequence[Box]) -> list[Box]:
        """List the annotated boxes of an image but for these."""
        if path not in self.index_of:
            return []
        truth = self.dataset.truth(self.index_of[path])
        known = np.array(boxes, dtype=np.float64).reshape(-1, 4)
        own = truth.boxes.double().numpy()
        apart = np.abs(own[:, None] - known[None]).max(axis=2, initial=0) > 1
        rows = own[apart.all(axis=1)][:MOST_OUTLINES].tolist()
        return [(row[0], row[1], row[2], row[3]) for row in rows]


def _region(boxes: Sequence[Box], height: int, width: int) -> tuple[int, int, int, int]:
    """Choose the square part of an image around boxes, as (left, top, right, bottom)."""
    if not boxes:
        return 0, 0, width, height
    corners = np.array(boxes, dtype=np.float64)
    low, high = corners[:, [0, 1]].min(axis=0), corners[:, [2, 3]].max(axis=0)
    side = max(CONTEXT * float((high - low).max()), LEAST_SHOWN * min(height, width))
    spans = []
    for middle, length in zip(((low + high) / 2).tolist(), (width, height), strict=True):
        extent = min(round(side), length)
        start = min(max(round(middle - extent / 2), 0), length - extent)
        spans.append((start, start + max(extent, 1)))
    (left, right), (top, bottom) = spans
    return left, top, right, bottom


def _moved(box: Box, origin: tuple[int, int], factor: float) -> Box:
    """Convert a box in pixels of the image to pixels of a thumbnail, where it can be seen."""
    corners = (np.array(box).reshape(2, 2) - origin) * factor
    middle, half = corners.mean(axis=0), np.abs(corners[1] - corners[0]) / 2
    half = np.maximum(half, LEAST_SIDE / 2)
    (x1, y1), (x2, y2) = (middle - half).round(1).tolist(), (middle + half).round(1).tolist()
    return x1, y1, x2, y2
