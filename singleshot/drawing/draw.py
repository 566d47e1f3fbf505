"""Labelled boxes on an image, legible on 80 pixels and on 6,000."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from singleshot.drawing.colours import Colour, class_colour, text_colour
from singleshot.errors import DataError
from singleshot.files import write_atomically
from singleshot.structures import Detections, Truth

__all__ = ["draw_boxes", "save_image"]

_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
JPEG_QUALITY = 92  # small text keeps its edges

# Shares of the image's mean side, the root of its area; chosen by eye on 640 x 480.
LINE_SHARE, FONT_SHARE = 1 / 250, 1 / 40
SMALLEST_FONT = 9  # pixels; smaller text is illegible
_SMALLEST_SIDE = 400  # mean side with space for labels in this font beside the objects

Box = tuple[int, int, int, int]  # x1, y1, x2, y2, half-open


class _Style(NamedTuple):
    """Sizes in pixels that suit an image."""

    line: int
    halo: int  # contrasting edge of a line, so that it shows on a background of its own colour
    padding: int
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont


class Mark(NamedTuple):
    """One object to draw, in pixels of the drawing."""

    box: Box
    colour: Colour
    name: str
    remark: str  # " 0.98"; stays whole when the name has to be shortened


class _Label(NamedTuple):
    """Text on a coloured block."""

    block: Box
    text: str
    colour: Colour


def draw_boxes(
    image: UInt8[Tensor, "3 h w"],
    objects: Detections | Truth,
    class_names: Sequence[str],
    tracks: Sequence[int] | None = None,
) -> Image.Image:
    """Draw every box with its class, and its score if it is a detection.

    With tracks, the identity of each (-1: none), boxes have its number and a colour of its own.
    Higher scores are drawn over lower ones, and all labels over all boxes. An image too small for
    text is enlarged by a whole factor: 80 x 60 pixels become 480 x 360.
    """
    drawing = Image.fromarray(image.permute(1, 2, 0).contiguous().cpu().numpy())
    factor = max(1, math.ceil(_SMALLEST_SIDE / _mean_side(drawing.size)))
    drawing = drawing.resize((drawing.width * factor, drawing.height * factor))
    canvas = ImageDraw.Draw(drawing)
    style = style_for(drawing.size)
    marks = _marks_of(objects, class_names, factor)
    if tracks is not None:
        marks = [_with_identity(*one) for one in zip(marks, tracks, strict=True)]
    labels = place_labels(marks, style, drawing.size)
    for mark in reversed(marks):
        _draw_box(canvas, mark, style)
    for label in reversed(labels):
        _draw_label(canvas, label, style)
    return drawing


def save_image(image: Image.Image, path: Path) -> None:
    """Write a PNG or JPEG file, by its suffix.

    Raises:
        DataError: another suffix.
    """
    if path.suffix.lower() not in _FORMATS:
        raise DataError(f"{path}: cannot be written as {path.suffix!r}; use .jpg or .png")
    with write_atomically(path) as beside:
        image.save(beside, _FORMATS[path.suffix.lower()], quality=JPEG_QUALITY)


def _mean_side(size: tuple[int, int]) -> float:
    """Compute the side of the square with the same area."""
    return math.sqrt(size[0] * size[1])


def style_for(size: tuple[int, int]) -> _Style:
    """Choose the sizes of lines and text for an image of this (width, height)."""
    line = max(1, round(_mean_side(size) * LINE_SHARE))
    font_size = max(SMALLEST_FONT, round(_mean_side(size) * FONT_SHARE))
    font = ImageFont.load_default(font_size)
    return _Style(line=line, halo=line // 2, padding=font_size // 6, font=font)


def _marks_of(objects: Detections | Truth, class_names: Sequence[str], factor: int) -> list[Mark]:
    """Make the marks of objects, in their order."""
    if isinstance(objects, Detections):
        remarks = [f" {score:.2f}" for score in objects.scores.tolist()]
    else:
        flags = zip(objects.difficult.tolist(), objects.crowd.tolist(), strict=True)
        remarks = [" difficult" * difficult + " crowd" * crowd for difficult, crowd in flags]
    boxes = (objects.boxes * factor).round().int().tolist()
    return [
        Mark(tuple(box), class_colour(label), class_names[label], remark)
        for box, label, remark in zip(boxes, objects.labels.tolist(), remarks, strict=True)
    ]


def _with_identity(mark: Mark, track: int) -> Mark:
    """Add the number of an object that is tracked, and give it its colour."""
    if track < 0:
        return mark
    return mark._replace(colour=class_colour(track), remark=f" #{track}{mark.remark}")


def _draw_box(canvas: ImageDraw.ImageDraw, mark: Mark, style: _Style) -> None:
    """Draw a frame within the box, with its halo on both sides."""
    _frame(canvas, mark.box, -style.halo, style.line + 2 * style.halo, text_colour(mark.colour))
    _frame(canvas, mark.box, 0, style.line, mark.colour)


def _frame(canvas: ImageDraw.ImageDraw, box: Box, inset: int, width: int, colour: Colour) -> None:
    """Draw a frame of some width; Pillow counts both corners as inside."""
    left, top = box[0] + inset, box[1] + inset
    right, bottom = max(left, box[2] - 1 - inset), max(top, box[3] - 1 - inset)
    canvas.rectangle((left, top, right, bottom), outline=colour, width=width)


def place_labels(marks: Sequence[Mark], style: _Style, size: tuple[int, int]) -> list[_Label]:
    """Place each label where it covers no earlier one, if possible."""
    labels: list[_Label] = []
    for mark in marks:
        text = fitting_text(mark, style, size[0])
        blocks = label_blocks(mark.box, _label_size(text, style), size)
        free = [block for block in blocks if not any(_cross(block, one.block) for one in labels)]
        labels.append(_Label((free or blocks)[0], text, mark.colour))
    return labels


def label_blocks(box: Box, label: tuple[int, int], size: tuple[int, int]) -> list[Box]:
    """List the blocks where a label can be, best first.

    Above the box, below it, then inside, where it hides the object; without space above, inside.
    """
    width, height = label
    left = max(min(box[0], size[0] - width), 0)
    inside = [box[1], box[3] - height]
    tops = [box[1] - height, box[3], *inside] if box[1] >= height else [*inside, box[3]]
    tops = [max(min(top, size[1] - height), 0) for top in tops]
    return [(left, top, left + width, top + height) for top in tops]


def _cross(block: Box, other: Box) -> bool:
    """Check whether two blocks share a pixel."""
    apart = (
        block[2] <= other[0] or other[2] <= block[0] or block[3] <= other[1] or other[3] <= block[1]
    )
    return not apart


def fitting_text(mark: Mark, style: _Style, width: int) -> str:
    """Join name and remark; the name is shortened until the label fits the image's width."""
    available = width - 2 * style.padding
    shortened = (f"{mark.name[:count]}…{mark.remark}" for count in range(len(mark.name) - 1, 0, -1))
    for text in (mark.name + mark.remark, *shortened):
        if style.font.getlength(text) <= available:
            return text
    return mark.remark.strip()


def _label_size(text: str, style: _Style) -> tuple[int, int]:
    """Compute the (width, height) of the block under a text; one height for all texts."""
    _, top, _, bottom = style.font.getbbox("Hg")
    width = math.ceil(style.font.getlength(text)) + 2 * style.padding
    return width, math.ceil(bottom - top) + 2 * style.padding


def _draw_label(canvas: ImageDraw.ImageDraw, label: _Label, style: _Style) -> None:
    """Draw a text on a block of the class's colour."""
    left, top, right, bottom = label.block
    canvas.rectangle((left, top, right - 1, bottom - 1), fill=label.colour)
    above_letters = style.font.getbbox("Hg")[1]
    corner = (left + style.padding, top + style.padding - above_letters)
    canvas.text(corner, label.text, fill=text_colour(label.colour), font=style.font)
