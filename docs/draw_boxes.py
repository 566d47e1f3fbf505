"""Draws the boxes of built detectors on an image, for the pages under docs/learn/detectors.

    python docs/draw_boxes.py                   every recipe in PAGES
    python docs/draw_boxes.py multibox yolo-v2  these alone

Each becomes docs/learn/detectors/RECIPE.png. To add a kind of detector, register a function that
gives its panels, and name its recipe in PAGES:

    @panels.register
    def of_multibox(detector: MultiBox) -> list[Panel]:
        return [Panel("8 x 8, 11 a cell: 704", boxes, grid=(8, 8)), …]

It is given the detector as `build_detector` makes it from the recipe at its own input size, with
random weights: what it draws comes from the network, never from a table of numbers. Boxes are in
pixels of the input; the image is stretched to it, as a detector would. A panel of a few boxes
shows them thick and in colours, one of many thin and in one colour. `scene()` is the image for
detectors that look at it themselves, as selective search does. Titles are ASCII: Pillow's font has
no other signs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from itertools import product
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from scene import OBJECTS, SIZE, draw_scene
from torch import Tensor

from singleshot.boxes.geometry import from_unit, pairwise_iou, to_centres, to_corners, to_unit
from singleshot.detectors.common.priors import PriorLevel
from singleshot.detectors.common.resize import resize
from singleshot.detectors.detector import TrainableDetector
from singleshot.detectors.localizer.network import Localizer, largest_object
from singleshot.detectors.multibox.network import MultiBox
from singleshot.detectors.rcnn.fast_rcnn import FastRcnn
from singleshot.detectors.rcnn.faster_rcnn import FasterRcnn
from singleshot.detectors.rcnn.proposals import label_anchors
from singleshot.detectors.rcnn.rcnn import Rcnn
from singleshot.detectors.rcnn.rfcn import Rfcn
from singleshot.detectors.sliding_window.network import ScaledCopy, SlidingWindow, size_of_copy
from singleshot.detectors.ssd.network import Ssd
from singleshot.detectors.yolo.v1 import YoloV1, match_cells
from singleshot.detectors.yolo.v2 import RegionLayerDetector
from singleshot.detectors.yolo.v3 import YoloV3
from singleshot.drawing import class_colour
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Objects

__all__ = ["Panel", "draw_page", "main", "panels", "scene"]

PAGES = [
    "localizer",
    "sliding-window",
    "sliding-window-cnn",
    "rcnn",
    "fast-rcnn",
    "faster-rcnn-vgg16",
    "faster-rcnn-resnet50-fpn",
    "rfcn-resnet101",
    "multibox",
    "yolo-v1",
    "yolo-v2",
    "yolo9000",
    "yolo-v3",
    "ssd300-vgg16",
]
FOLDER = Path(__file__).parent / "learn/detectors"

AREA = 320 * 240  # pixels of a panel's image
IN_A_ROW = 3
GAP, TITLE = 8, 20  # pixels
MOVES = 4  # windows next to each other that are shown
CAR = list(OBJECTS).index("car")
MOST_ROWS = 64  # of a grid that is drawn; finer ones would hide the image
FEW = 24  # boxes that can be distinguished
FAR = 20.0  # a logit that is next to 0 or 1
COLOURS = 128  # of the file; enough for the scene


@dataclass(frozen=True)
class Panel:
    """The scene with some boxes."""

    title: str
    boxes: Float[Tensor, "n 4"]  # pixels of the input
    grid: tuple[int, int] | None = None  # (rows, columns) of a feature map, drawn as thin lines


@singledispatch
def panels(detector: TrainableDetector) -> list[Panel]:
    """What shows the boxes of a detector best."""
    raise NotImplementedError(f"no panels for {type(detector).__name__}: see the docstring above")


@panels.register
def of_ssd(detector: Ssd) -> list[Panel]:
    """The priors of each level."""
    priors = from_unit(to_corners(detector.priors_cxcywh_unit), detector.settings.input)
    return of_levels(detector.levels, priors)


@panels.register
def of_multibox(detector: MultiBox) -> list[Panel]:
    """The priors of each grid."""
    return of_levels(detector.levels, from_unit(detector.priors_unit, detector.settings.input))


def of_levels(levels: Sequence[PriorLevel], priors: Float[Tensor, "priors 4"]) -> list[Panel]:
    """The priors of the middle cell of each level; in pixels."""
    found = []
    for level, boxes in zip(levels, priors.split(list(map(len, levels))), strict=True):
        rows, columns = level.grid
        cells = boxes.reshape(rows, columns, -1, 4)
        title = f"{rows} x {columns}, {level.num_priors_per_cell} a cell: {len(level):,}"
        found.append(Panel(title, cells[rows // 2, columns // 2], level.grid))
    return found


@panels.register
def of_localizer(detector: Localizer) -> list[Panel]:
    """The object that it learns of this image."""
    shown = Objects(torch.tensor(list(OBJECTS.values())), torch.arange(len(OBJECTS)))
    boxes = to_unit(largest_object(shown).boxes, SIZE[::-1])
    title = f"{detector.num_boxes} box: the largest object's"
    return [Panel(title, from_unit(boxes, detector.settings.input))]


@panels.register
def of_sliding_window(detector: SlidingWindow) -> list[Panel]:
    """The middle window of every second scale, and how windows move."""
    settings, copies = detector.settings, detector.copies
    of_copy = dict(zip(copies, detector.windows.split(list(map(len, copies))), strict=True))
    found = []
    for scale in settings.scales[::2]:
        sizes = [size_of_copy(settings.input, scale, ratio) for ratio in settings.aspect_ratios]
        same = [copy for copy in copies if copy.size in sizes]
        title = f"{scale:g} times the window: {sum(map(len, same)):,} places"
        found.append(Panel(title, torch.stack([middle(copy, of_copy[copy]) for copy in same])))
    copy = copies[len(copies) // 2]
    rows, columns = copy.grid
    neighbours = of_copy[copy].reshape(rows, columns, 4)[rows // 2, :MOVES]
    stride = "x".join(f"{side:g}" for side in copy.stride)
    return [*found, Panel(f"they move by {stride} pixels of their copy", neighbours)]


@panels.register(Rcnn)
@panels.register(FastRcnn)
def of_search(detector: Rcnn | FastRcnn) -> list[Panel]:
    """The regions of the scene, and which of them fit its objects best."""
    size = detector.settings.input
    (regions,) = detector.search(resize(scene(), size, "antialias")[None])
    overlap, best = pairwise_iou(objects_at(size).boxes, regions).max(dim=1)
    return [
        Panel(f"{len(regions):,} regions of this image", regions),
        Panel(f"the best: they overlap by {float(overlap.min()):.2f} or more", regions[best]),
    ]


@panels.register
def of_faster_rcnn(detector: FasterRcnn) -> list[Panel]:
    """The anchors of the middle place of each level, and which of them learn an object."""
    return of_anchors(detector, detector.grids(detector.settings.input))


@panels.register
def of_rfcn(detector: Rfcn) -> list[Panel]:
    """The same, and the parts of a region that vote."""
    rows, columns = (-(-side // detector.strides[0]) for side in detector.settings.input)
    bins = detector.settings.bins
    x1, y1, x2, y2 = objects_at(detector.settings.input).boxes[CAR].tolist()
    parts = [
        (x1 + i * (x2 - x1) / bins, y1 + j * (y2 - y1) / bins)
        for j, i in product(range(bins), repeat=2)
    ]
    corners = torch.tensor(parts)
    sides = torch.tensor([(x2 - x1) / bins, (y2 - y1) / bins])
    whole = Panel(
        f"{bins} x {bins} parts of a region", torch.cat([corners, corners + sides], dim=1)
    )
    return [*of_anchors(detector, [(rows, columns)]), whole]


@panels.register
@torch.no_grad()
def of_yolo_v1(detector: YoloV1) -> list[Panel]:
    """Draw the cells that are responsible for the objects, and their target boxes."""
    size, grid = detector.settings.input, detector.settings.cells
    rows, columns = grid
    tasks = match_cells([objects_at(size)], grid, size)
    row, column = tasks.cells // columns, tasks.cells % columns
    corners = torch.stack([column, row, column + 1, row + 1], dim=1)
    cells = from_unit(corners / torch.tensor([columns, rows] * 2), size)
    outputs = detector.predict_cells(torch.zeros(1, 3, *size, dtype=torch.uint8))
    targets = torch.cat([tasks.boxes[:, :2], tasks.boxes[:, 2:].sqrt()], dim=1)
    outputs.boxes[0, tasks.cells, 0] = targets
    boxes = from_unit(to_corners(detector.boxes_unit(outputs)), size)[0, tasks.cells, 0]
    number = f"{rows} x {columns}, {detector.settings.boxes_per_cell} a cell: {detector.num_boxes}"
    return [
        Panel(f"{number}; {len(cells)} cells learn", cells, grid),
        Panel("targets of these cells", boxes, grid),
    ]


@panels.register(RegionLayerDetector)
@panels.register(YoloV3)
def of_anchor_grid(detector: RegionLayerDetector | YoloV3) -> list[Panel]:
    """The anchors of the middle cell of each level, where one may go, and which of them learn."""
    grid = detector.grid
    anchors = grid.decode(torch.zeros(len(grid), 4))
    found = []
    for first, cells, mask in grid.levels:
        rows, columns = cells
        level = anchors[first : first + len(mask) * rows * columns]
        title = f"{rows} x {columns}, {len(mask)} a cell: {len(level):,}"
        of_cells = level.reshape(len(mask), rows, columns, 4)
        found.append(Panel(title, of_cells[:, rows // 2, columns // 2], cells))
    learning, truths = grid.responsible_boxes(to_centres(objects_at(detector.settings.input).boxes))
    one = int(learning[truths == CAR])
    outputs = torch.zeros(4, len(grid), 4)
    outputs[:, one, :2] = FAR * torch.tensor(list(product((-1, 1), repeat=2)))
    level_of_one = max(place for place in grid.levels if place.first <= one)
    return [
        *found,
        Panel("a middle never leaves its cell", grid.decode(outputs)[:, one], level_of_one.grid),
        Panel(f"{len(learning)} learn an object of this image", anchors[learning]),
    ]


@torch.no_grad()
def of_anchors(detector: FasterRcnn | Rfcn, grids: Sequence[tuple[int, int]]) -> list[Panel]:
    """What is proposed from, on feature maps of these (rows, columns)."""
    size, proposals = detector.settings.input, detector.proposals
    stride = max(detector.strides)
    images = torch.zeros(1, 3, *(-(-side // stride) * stride for side in size))
    width = proposals.network.head.convolution.in_channels
    anchors = proposals(images, [torch.zeros(1, width, *grid) for grid in grids], size).anchors
    number = proposals.num_anchors_per_cell
    found = []
    of_levels = anchors.split([rows * columns * number for rows, columns in grids])
    for (rows, columns), boxes in zip(grids, of_levels, strict=True):
        cells = boxes.reshape(rows, columns, number, 4)
        title = f"{rows} x {columns}, {number} a place: {len(boxes):,}"
        grid = (rows, columns) if rows <= MOST_ROWS else None
        found.append(Panel(title, cells[rows // 2, columns // 2], grid))
    labelled = label_anchors(anchors, objects_at(size), size, proposals.sampling)
    shown = labelled.regions[labelled.positive]
    return [*found, Panel(f"{len(shown)} learn an object of this image", shown)]


def objects_at(size: tuple[int, int]) -> Objects:
    """Those of the scene, in pixels of an input of this (height, width)."""
    boxes = from_unit(to_unit(torch.tensor(list(OBJECTS.values())), SIZE[::-1]), size)
    return Objects(boxes, torch.arange(len(OBJECTS)))


def middle(copy: ScaledCopy, boxes: Float[Tensor, "windows 4"]) -> Tensor:
    """The window (4) in the middle of a copy."""
    rows, columns = copy.grid
    return boxes.reshape(rows, columns, 4)[rows // 2, columns // 2]


def scene() -> UInt8[Tensor, "3 480 640"]:
    """The image as a detector takes it."""
    return torch.from_numpy(np.array(draw_scene())).permute(2, 0, 1)


def draw_page(shown: Sequence[Panel], size: tuple[int, int]) -> Image.Image:
    """All panels, row by row; `size` is the input's (height, width)."""
    height, width = size
    scale = (AREA / (height * width)) ** 0.5
    cell = round(width * scale), round(height * scale)
    columns = min(IN_A_ROW, len(shown))
    rows = -(-len(shown) // columns)
    across, down = cell[0] + GAP, cell[1] + TITLE + GAP
    page = Image.new("RGB", (columns * across - GAP, rows * down - GAP), "white")
    for number, panel in enumerate(shown):
        left, top = number % columns * across, number // columns * down
        page.paste(draw_panel(panel, cell, scale), (left, top + TITLE))
        text = ImageDraw.Draw(page)
        text.text((left, top), panel.title, fill="black", font=ImageFont.load_default(14))
    return page


def draw_panel(panel: Panel, cell: tuple[int, int], scale: float) -> Image.Image:
    """The scene with a panel's grid and boxes, at this (width, height)."""
    image = draw_scene().resize(cell, Image.Resampling.LANCZOS)
    canvas = ImageDraw.Draw(image, "RGBA")
    if panel.grid is not None:
        draw_grid(canvas, panel.grid, cell)
    few = len(panel.boxes) <= FEW
    for number, box in enumerate((panel.boxes * scale).tolist()):
        if few:
            canvas.rectangle(box, outline="black", width=3)
        colour = class_colour(number) if few else (0, 0, 0, 110)
        canvas.rectangle(box, outline=colour, width=2 if few else 1)
    return image


def draw_grid(canvas: ImageDraw.ImageDraw, grid: tuple[int, int], cell: tuple[int, int]) -> None:
    """Thin lines between the places of a feature map."""
    (rows, columns), (width, height) = grid, cell
    for column in range(1, columns):
        x = column * width / columns
        canvas.line((x, 0, x, height), fill=(255, 255, 255, 120))
    for row in range(1, rows):
        y = row * height / rows
        canvas.line((0, y, width, y), fill=(255, 255, 255, 120))


def main(recipes: Sequence[str]) -> None:
    """Draw the pages of these recipes, or of all."""
    for recipe in recipes or PAGES:
        settings = load_recipe(recipe).model
        torch.manual_seed(0)
        detector = build_detector(settings, list(OBJECTS), pretrained=False)
        page = draw_page(panels(detector), settings.input)
        path = FOLDER / f"{recipe}.png"
        path.parent.mkdir(exist_ok=True)
        page.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
        print(f"{path}: {page.width} x {page.height}, {path.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main(sys.argv[1:])
