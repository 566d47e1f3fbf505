"""Figures of a sample: panels side by side, one for each level that has matched priors.

After figure 1 of Liu et al. 2016: the grid of a level, matched priors solid, other ones of the same
cells dashed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from singleshot.drawing import class_colour
from singleshot.drawing.colours import Colour
from singleshot.inspection.preview.scene import Box, LevelScene, SampleScene

__all__ = ["OUTLINED", "draw_matches", "draw_negatives", "object_colour"]

PANEL = 480  # pixels, of the longer side of a panel
COLUMNS = 4  # of panels
GAP, CAPTION = 16, 34  # pixels between panels and below each
LETTERS = 17
PAPER, INK, WHITE, BLACK = (253, 252, 250), (29, 28, 26), (255, 255, 255), (0, 0, 0)
NEGATIVE = (255, 164, 27)
OUTLINED = 10  # hard negatives whose box is drawn, and not its centre alone
DASH, SPACE = 7, 6  # pixels
GRID_ALPHA, FINE_GRID_ALPHA = 110, 60  # of 255
FINE = 20  # lines of a grid, from which on they would hide the image

_Paint = Callable[[ImageDraw.ImageDraw, float], None]  # on a panel, with its enlargement


def draw_matches(scene: SampleScene, class_names: Sequence[str]) -> Image.Image:
    """Draw the objects, and each level with its matched priors in the colour of their object."""
    levels = [(_caption(level), _painter_of(level)) for level in scene.levels]
    return _panels(scene, [_objects_panel(scene, class_names), *levels])


def draw_negatives(scene: SampleScene, class_names: Sequence[str]) -> Image.Image:
    """Draw the objects and the hard negatives of a model: all centres, the boxes of the surest."""
    negatives = scene.negatives or ()
    caption = f"{len(negatives)} hard negatives beside {scene.num_matches} matches"

    def paint(canvas: ImageDraw.ImageDraw, factor: float) -> None:
        for one in negatives:
            x, y = ((low + high) / 2 * factor for low, high in (one.box[::2], one.box[1::2]))
            canvas.ellipse((x - 3, y - 3, x + 3, y + 3), fill=NEGATIVE, outline=BLACK)
        for one in negatives[:OUTLINED]:
            _outline(canvas, one.box, factor, NEGATIVE, width=2, halo=1)
        _paint_objects(canvas, scene, factor, width=3)

    return _panels(scene, [_objects_panel(scene, class_names), (caption, paint)])


def object_colour(number: int) -> Colour:
    """Choose the colour of an object of a sample, by its number."""
    return class_colour(number)


def _caption(level: LevelScene) -> str:
    number = len(level.matched)
    return "{} x {}: {} matched".format(*level.grid, f"{number} prior{'s' * (number != 1)}")


def _objects_panel(scene: SampleScene, class_names: Sequence[str]) -> tuple[str, _Paint]:
    """Paint the objects, each in its colour."""
    labels = dict.fromkeys(class_names[label] for label in scene.sample.truth.labels.tolist())
    number = len(scene.sample.truth)
    names = ", ".join(labels)
    shown = names if len(names) <= 36 else f"{names[:34]} …"
    caption = f"{number} object{'s' * (number != 1)}: {shown}"
    return caption, lambda canvas, factor: _paint_objects(canvas, scene, factor, width=4)


def _paint_objects(
    canvas: ImageDraw.ImageDraw, scene: SampleScene, factor: float, *, width: int
) -> None:
    for number, box in enumerate(scene.sample.truth.boxes.tolist()):
        _outline(canvas, tuple(box), factor, object_colour(number), width=width, halo=1)


def _painter_of(level: LevelScene) -> _Paint:
    """Paint the grid of a level, then its priors, the best ones last."""

    def paint(canvas: ImageDraw.ImageDraw, factor: float) -> None:
        width, height = canvas.im.size
        alpha = FINE_GRID_ALPHA if len(level.columns) > FINE else GRID_ALPHA
        line = (*WHITE, alpha)
        for x in level.columns:
            canvas.line((x * factor, 0, x * factor, height), fill=line)
        for y in level.rows:
            canvas.line((0, y * factor, width, y * factor), fill=line)
        for box in level.others:
            _dashed(canvas, box, factor)
        for prior in sorted(level.matched, key=lambda one: one.iou):
            _outline(canvas, prior.box, factor, object_colour(prior.object), width=3, halo=1)

    return paint


def _panels(scene: SampleScene, panels: Sequence[tuple[str, _Paint]]) -> Image.Image:
    """Put panels in rows, each with its caption below."""
    pixels = Image.fromarray(scene.sample.image.permute(1, 2, 0).contiguous().numpy())
    factor = PANEL / max(pixels.size)
    width, height = (round(side * factor) for side in pixels.size)
    enlarged = pixels.resize((width, height), Image.Resampling.BICUBIC)
    columns = min(len(panels), COLUMNS)
    rows = math.ceil(len(panels) / columns)
    size = (columns * (width + GAP) + GAP, rows * (height + CAPTION + GAP))
    sheet = Image.new("RGB", size, PAPER)
    font = ImageFont.load_default(LETTERS)
    for index, (caption, paint) in enumerate(panels):
        row, column = divmod(index, columns)
        left, top = GAP + column * (width + GAP), GAP + row * (height + CAPTION + GAP)
        panel = enlarged.copy()
        paint(ImageDraw.Draw(panel, "RGBA"), factor)
        sheet.paste(panel, (left, top))
        ImageDraw.Draw(sheet).text((left, top + height + 6), caption, fill=INK, font=font)
    return sheet


def _outline(
    canvas: ImageDraw.ImageDraw,
    box: Sequence[float],
    factor: float,
    colour: Colour,
    *,
    width: int,
    halo: int,
) -> None:
    """Draw a frame with a dark edge, which shows on any image."""
    x1, y1, x2, y2 = (round(side * factor) for side in box)
    x2, y2 = max(x1, x2), max(y1, y2)
    dark = (*BLACK, 110)
    canvas.rectangle(
        (x1 - halo, y1 - halo, x2 + halo, y2 + halo), outline=dark, width=width + 2 * halo
    )
    canvas.rectangle((x1, y1, x2, y2), outline=colour, width=width)


def _dashed(canvas: ImageDraw.ImageDraw, box: Box, factor: float) -> None:
    """Draw a white dashed frame."""
    x1, y1, x2, y2 = (side * factor for side in box)
    corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)]
    for (left, top), (right, bottom) in pairwise(corners):
        length = math.hypot(right - left, bottom - top)
        for start in range(0, math.ceil(length), DASH + SPACE):
            ends = (start / length, min(start + DASH, length) / length)
            line = [(left + (right - left) * share, top + (bottom - top) * share) for share in ends]
            canvas.line(line, fill=(*BLACK, 150), width=3)
            canvas.line(line, fill=WHITE, width=1)
