"""Small objects in large images: detect in overlapping tiles as well as in the whole image.

A detector resizes every image to its input: of 4,000 pixels to 320, an object of 40 has 3 left.
In a tile of 640 pixels it has 20. So the image is cut into tiles that overlap, each goes through
the detector as an image of its own, and so does the whole image, for objects larger than a tile.

Tiles cut objects. Those smaller than the overlap are whole in another tile; so:

1. a box that ends at a side where its tile was cut is dropped, if a box that is whole covers it;
2. what is left of an object larger than the overlap is joined: two boxes that end at cut sides
   which face each other, and agree in the other direction, become one around both;
3. of the whole image only boxes larger than half a tile count, since smaller ones are less exact
   than those in tiles; what is cut and within one of them is dropped;
4. NMS by the detector's own rule removes what several tiles, or the whole image, detected alike.

The numbers were chosen on large images made of BCCD's (benchmarks/results/tiles.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from singleshot.boxes.geometry import area
from singleshot.boxes.nms import diou_nms, nms, weighted_nms
from singleshot.data.image_files.inputs import Images, as_tensors
from singleshot.errors import SingleshotError
from singleshot.prediction.tile_options import TileSize, WithTiles, parse_tile
from singleshot.structures import Detections, Detector

__all__ = ["Tiling", "in_tiles", "merge_tiles", "tile_windows"]

Window = tuple[int, int, int, int]  # x1, y1, x2, y2 in pixels of the image, half-open

IOU_THRESHOLD = 0.45  # of NMS, for a detector that names none
NEAR_SIDE = 0.01  # of a tile's side: a box that ends so near to it is cut
COVERED = 0.7  # of the area of a cut box, by a whole one
WEAKER = 0.5  # of the score of a cut box, from which a whole one counts
TINY = 1e-12  # keeps 0 / 0 away
PAIRS_AT_ONCE = 1 << 21  # of boxes: thousands of tiles have too many for the memory
AGREE = 0.7  # IoU of the two sides along which boxes are joined


class Tiling:
    """A detector that looks at overlapping tiles of each image besides the whole of it."""

    def __init__(
        self,
        detector: Detector,
        tile: TileSize,
        *,
        overlap: float = 0.2,
        batch_size: int = 8,
    ) -> None:
        """Wrap a detector.

        Args:
            detector: any, such as `singleshot.load` returns.
            tile: (height, width) in pixels of the image, or text such as "640x640".
            overlap: share of a tile that it has in common with the next, 0 to 0.9: no less than
                the largest objects that are too small in the whole image.
            batch_size: tiles that go through the detector at once.

        Raises:
            SingleshotError: a number is out of bounds.
        """
        if not 0 <= overlap <= 0.9:
            raise SingleshotError(f"tile_overlap: {overlap}: expected a share of 0 to 0.9")
        if batch_size < 1:
            raise SingleshotError(f"batch_size: {batch_size}: expected 1 or more")
        self.detector, self.tile, self.overlap = detector, parse_tile(tile), overlap
        self.batch_size = batch_size
        self.class_names = tuple(detector.class_names)

    def __repr__(self) -> str:
        height, width = self.tile
        return f"{self.detector!r}\nin tiles of {height} x {width} with {self.overlap:.0%} overlap"

    @property
    def source(self) -> Path | None:
        """The file that the detector was loaded from."""
        source: Path | None = getattr(self.detector, "source", None)
        return source

    @property
    def score_thresholds(self) -> Callable[..., Any] | None:
        """Load the score thresholds that were chosen for the detector, as `predict` does."""
        load: Callable[..., Any] | None = getattr(self.detector, "score_thresholds", None)
        return load

    def detect(self, images: Images) -> list[Detections]:
        """Detect objects in images of any sizes; boxes are in pixels of their own image.

        An image that is no larger than a tile is detected in as it is.

        Raises:
            DataError: an image is of another type or shape, or cannot be read.
        """
        return [self._detect_in(image) for image in as_tensors(images)]

    def _detect_in(self, image: UInt8[Tensor, "3 h w"]) -> Detections:
        """Detect in one image: whole, then tile by tile."""
        size = image.shape[-2], image.shape[-1]
        windows = tile_windows(size, self.tile, self.overlap)
        (whole,) = self.detector.detect([image])
        if not windows:
            return whole
        parts = []
        for start in range(0, len(windows), self.batch_size):
            tiles = [
                image[:, y1:y2, x1:x2].contiguous()
                for x1, y1, x2, y2 in windows[start : start + self.batch_size]
            ]
            parts += self.detector.detect(tiles)
        return merge_tiles(whole, parts, windows, size, self.apply_nms)

    def apply_nms(self, detections: Detections) -> Detections:
        """Apply the detector's own rule, but soft NMS: its scores are lowered already."""
        options = getattr(self.detector, "postprocess_options", None)
        threshold = getattr(options, "iou_threshold", IOU_THRESHOLD)
        boxes, scores, labels = detections.boxes, detections.scores, detections.labels
        match getattr(options, "nms", "hard"):
            case "distance":
                return detections[diou_nms(boxes, scores, labels, threshold)]
            case "weighted":
                kept, averaged = weighted_nms(boxes, scores, labels, threshold)
                return Detections(averaged, scores[kept], labels[kept])
            case _:
                return detections[nms(boxes, scores, labels, threshold)]


def in_tiles(detector: Detector, options: WithTiles) -> Detector:
    """Wrap a detector if there is a tile; it stays as it is otherwise."""
    if options.tile is None:
        return detector
    return Tiling(detector, options.tile, overlap=options.tile_overlap)


def tile_windows(size: tuple[int, int], tile: tuple[int, int], overlap: float) -> list[Window]:
    """Cut an image of (height, width) into tiles of one size, evenly, row by row.

    Tiles overlap by at least the share `overlap`; none goes beyond the image. An image that is no
    larger than a tile has none.
    """
    if size[0] <= tile[0] and size[1] <= tile[1]:
        return []
    rows, columns = (
        _starts(length, min(side, length), overlap) for length, side in zip(size, tile, strict=True)
    )
    height, width = min(tile[0], size[0]), min(tile[1], size[1])
    return [(x, y, x + width, y + height) for y in rows for x in columns]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    """Place tiles of one side along a length, the first at its start and the last at its end."""
    step = max(1, math.floor(side * (1 - overlap)))
    number = math.ceil((length - side) / step)
    return [round(index * (length - side) / max(number, 1)) for index in range(number + 1)]


def merge_tiles(
    whole: Detections,
    parts: Sequence[Detections],
    windows: Sequence[Window],
    size: tuple[int, int],
    apply_nms: Callable[[Detections], Detections],
) -> Detections:
    """Merge the detections in an image with those in its tiles, best first.

    Args:
        whole: in the whole image.
        parts: in each tile, in its pixels.
        windows: of the tiles.
        size: (height, width) of the image.
        apply_nms: removes what is detected alike.
    """
    host = torch.device("cpu")
    found, cuts = [], []
    for part, window in zip(parts, windows, strict=True):
        boxes = part.boxes.to(host) + torch.tensor([*window[:2], *window[:2]])
        found.append(Detections(boxes, part.scores.to(host), part.labels.to(host)))
        cuts.append(cut_sides(boxes, window, size))
    together, cut = _in_order(found, cuts)
    kept = ~covered_by_whole(together, cut)
    together, cut = joined(together[kept], cut[kept])
    of_image = larger_than_half(whole.to(host), windows[0])
    uncut = torch.zeros(len(of_image), 4, dtype=torch.bool)
    together, cut = _in_order([together, of_image], [cut, uncut])
    return apply_nms(together[~covered_by_whole(together, cut)]).to(whole.boxes.device)


def _in_order(
    found: Sequence[Detections], cuts: Sequence[Bool[Tensor, "_ 4"]]
) -> tuple[Detections, Bool[Tensor, "n 4"]]:
    """Join detections with their cut sides, best first."""
    boxes, scores, labels = (
        torch.cat([getattr(one, name) for one in found]) for name in ("boxes", "scores", "labels")
    )
    order = scores.argsort(descending=True, stable=True)
    return Detections(boxes[order], scores[order], labels[order]), torch.cat(list(cuts))[order]


def larger_than_half(detections: Detections, tile: Window) -> Detections:
    """Select the detections that are wider or higher than half a tile, without their priors."""
    x1, y1, x2, y2 = tile
    sides = detections.boxes[:, 2:] - detections.boxes[:, :2]
    large = (sides > sides.new_tensor([x2 - x1, y2 - y1]) / 2).any(dim=1)
    return replace(detections[large], priors=None)


def cut_sides(
    boxes: Float[Tensor, "n 4"], window: Window, size: tuple[int, int]
) -> Bool[Tensor, "n 4"]:
    """Mark the sides (left, top, right, bottom) at which a tile cut what each box is around.

    Boxes end there, or close to it. At the border of the image nothing is cut.
    """
    x1, y1, x2, y2 = window
    height, width = size
    near = NEAR_SIDE * boxes.new_tensor([x2 - x1, y2 - y1] * 2)
    within = torch.tensor([x1 > 0, y1 > 0, x2 < width, y2 < height])
    return ((boxes - boxes.new_tensor(window)).abs() <= near) & within


def covered_by_whole(detections: Detections, cut: Bool[Tensor, "n 4"]) -> Bool[Tensor, " n"]:
    """Mark the boxes that are cut and mostly within a box of their class that is not.

    That has at least half of their score: a box around much of the image does not remove all
    others.
    """
    parts, wholes = cut.any(dim=1).nonzero()[:, 0], (~cut.any(dim=1)).nonzero()[:, 0]
    whole, covered = detections[wholes], torch.zeros(len(detections), dtype=torch.bool)
    for some in torch.split(parts, max(PAIRS_AT_ONCE // max(len(wholes), 1), 1)):
        part = detections[some]
        shared = intersections(part.boxes, whole.boxes) / area(part.boxes)[:, None].clamp(min=TINY)
        covers = (
            (shared >= COVERED)
            & (part.labels[:, None] == whole.labels)
            & (whole.scores >= WEAKER * part.scores[:, None])
        )
        covered[some] = covers.any(dim=1)
    return covered


def joined(
    detections: Detections, cut: Bool[Tensor, "n 4"]
) -> tuple[Detections, Bool[Tensor, "kept 4"]]:
    """Join the parts of objects that no tile contains: a box around them, with the best score.

    Detections are best first. Returns also the sides at which boxes are cut still.
    """
    cut = cut.clone()
    boxes, taken = detections.boxes.clone(), torch.zeros(len(detections), dtype=torch.bool)
    for index in cut.any(dim=1).nonzero()[:, 0].tolist():
        while not taken[index]:
            face = facing(boxes, cut, index) & (detections.labels == detections.labels[index])
            face &= ~taken
            face[: index + 1] = False
            if not face.any():
                break
            other = int(face.int().argmax())
            ends = torch.stack([boxes[index], boxes[other]])
            boxes[index] = torch.cat([ends[:, :2].amin(dim=0), ends[:, 2:].amax(dim=0)])
            # A side stays cut where it is that of a part which is cut there.
            cut[index] = (cut[[index, other]] & (ends == boxes[index])).any(dim=0)
            taken[other] = True
    return replace(detections, boxes=boxes)[~taken], cut[~taken]


def facing(boxes: Float[Tensor, "n 4"], cut: Bool[Tensor, "n 4"], index: int) -> Bool[Tensor, " n"]:
    """Mark the boxes that continue one across a cut: both are cut there, overlap, and agree."""
    own, own_cut = boxes[index], cut[index]
    continues = torch.zeros(len(boxes), dtype=torch.bool)
    for first, last in ((0, 2), (1, 3)):  # across, down
        overlap = torch.minimum(boxes[:, last], own[last]) - torch.maximum(
            boxes[:, first], own[first]
        )
        before = own_cut[last] & cut[:, first] & (boxes[:, last] > own[last])
        after = own_cut[first] & cut[:, last] & (boxes[:, first] < own[first])
        start, end = 1 - first, 3 - first  # of the other direction
        shared = torch.minimum(boxes[:, end], own[end]) - torch.maximum(boxes[:, start], own[start])
        both = torch.maximum(boxes[:, end], own[end]) - torch.minimum(boxes[:, start], own[start])
        continues |= (before | after) & (overlap > 0) & (shared >= AGREE * both)
    return continues


def intersections(
    boxes: Float[Tensor, "n 4"], others: Float[Tensor, "m 4"]
) -> Float[Tensor, "n m"]:
    """Compute the area that every box has in common with every other."""
    top_left = torch.maximum(boxes[:, None, :2], others[:, :2])
    bottom_right = torch.minimum(boxes[:, None, 2:], others[:, 2:])
    return (bottom_right - top_left).clamp(min=0).prod(dim=-1)
