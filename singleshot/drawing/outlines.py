"""Lines and polygons with a text each, over a drawing: where objects are counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from singleshot.drawing.colours import text_colour
from singleshot.drawing.draw import style_for

__all__ = ["LabelledOutline", "draw_outlines"]

COLOUR = (255, 255, 255)
ARROW = 7  # widths of the line from an arrow's tip to its ends


class LabelledOutline(NamedTuple):
    """A line or, if closed, a polygon; points are (x, y) in pixels of the drawing."""

    points: Sequence[tuple[float, float]]
    text: str
    closed: bool = False


def draw_outlines(drawing: Image.Image, outlines: Sequence[LabelledOutline]) -> Image.Image:
    """Draw outlines into an image, which is changed and returned.

    A line has an arrow at its middle, to the left of who goes from its first point to its second.
    """
    canvas, style = ImageDraw.Draw(drawing), style_for(drawing.size)
    halo = text_colour(COLOUR)
    for outline in outlines:
        points = [*outline.points, *outline.points[: 2 * outline.closed]]
        arrow = [] if outline.closed else arrow_points(points, ARROW * style.line)
        for colour, thick in ((halo, style.line + 2), (COLOUR, style.line)):
            canvas.line(points, fill=colour, width=thick, joint="curve")
            for tip in arrow:
                canvas.line(tip, fill=colour, width=thick)
    for outline in outlines:
        x, y = min(outline.points) if not outline.closed else min(outline.points, key=sum)
        left, top, right, bottom = canvas.textbbox((0, 0), outline.text, font=style.font)
        width: float = right - left + 2 * style.padding
        height: float = bottom - top + 2 * style.padding
        x = max(min(x, drawing.width - width), 0)
        y = max(min(y + style.line, drawing.height - height), 0)
        canvas.rectangle((x, y, x + width, y + height), fill=halo)
        corner = (x + style.padding - left, y + style.padding - top)
        canvas.text(corner, outline.text, fill=COLOUR, font=style.font)
    return drawing


def arrow_points(
    points: Sequence[tuple[float, float]], length: float
) -> list[list[tuple[float, float]]]:
    """Make the lines of an arrow from the middle of a line to its left."""
    (x1, y1), (x2, y2) = points
    # y runs down: left of one who goes to the right is up.
    left = math.atan2(y2 - y1, x2 - x1) - math.pi / 2
    middle = (x1 + x2) / 2, (y1 + y2) / 2
    tip = middle[0] + 2 * length * math.cos(left), middle[1] + 2 * length * math.sin(left)
    sides = [
        (tip[0] + length * math.cos(angle), tip[1] + length * math.sin(angle))
        for angle in (left + 0.8 * math.pi, left - 0.8 * math.pi)
    ]
    return [[middle, tip], [sides[0], tip], [sides[1], tip]]
