"""Figures of the tutorial: SVG in the colours of the page, with photographs inside.

    canvas = Canvas(400, 300)
    canvas.photograph(image, 0, 0, 400)
    canvas.box((20, 30, 120, 200), GREEN, "dog 0.93")
    return canvas.figure("A dog in a box")

Text and lines without a colour of their own take that of the page (`currentColor`), which is light
or dark. Classes of live/live.css: `soft` for lines in the background, `small` for small text.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

__all__ = ["BLUE", "GREEN", "IMAGES", "ORANGE", "RED", "Canvas", "Figure", "Live", "Plot"]

IMAGES = Path(__file__).parent / "images"
# Legible on white, on the theme's dark background, and on photographs.
GREEN, ORANGE, BLUE, RED = "#2e9e5b", "#e08214", "#3b8edb", "#e0524d"
FINER = 2  # pixels of a photograph for each unit
QUALITY = 82

Box = Sequence[float]  # x1, y1, x2, y2


@dataclass(frozen=True)
class Figure:
    """An SVG with the text that replaces it for those who do not see it."""

    svg: str
    text: str

    def to_html(self, name: str) -> str:
        """Write it into a page."""
        return f'<figure class="drawn" id="figure-{name}">{self.svg}</figure>'

    def to_file(self) -> str:
        """Write it as a file of its own, black on white."""
        style = ".small{font-size:12px}.soft{opacity:.25}svg{background:#fff;color:#000}"
        head, _, rest = self.svg.partition(">")
        name = 'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"'
        return f"{head.replace('<svg', f'<svg {name}')}><style>{style}</style>{rest}"


@dataclass(frozen=True)
class Live:
    """An interactive figure: a script changes its start, which shows without it."""

    start: Figure
    controls: str = ""  # HTML below the drawing
    data: dict[str, Any] = field(default_factory=dict)  # for the script
    script: str = ""  # several figures may share live/SCRIPT.js; left out, it has the mark's name

    def to_html(self, name: str) -> str:
        """Write it into a page, with its data, controls and text alternative."""
        data = escape(json.dumps(self.data, ensure_ascii=False))
        # An SVG with parts that can be focused is a group, not an image.
        svg = self.start.svg.replace('role="img"', 'role="group"', 1)
        return (
            f'<figure class="drawn live" id="figure-{name}"'
            f' data-live="{self.script or name}" data-data="{data}">'
            f"{svg}{self.controls}"
            f'<figcaption class="alternative">{escape(self.start.text)}</figcaption></figure>'
        )


class Canvas:
    """An SVG that grows part by part; units are pixels of a page at full width."""

    def __init__(
        self, width: float, height: float, corner: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        """`corner` is the point at the upper left."""
        self.width, self.height, self.corner = width, height, corner
        self.parts: list[str] = []

    def add(self, part: str) -> None:
        """Add SVG as it is."""
        self.parts.append(part)

    def photograph(self, image: Image.Image, x: float, y: float, width: float) -> float:
        """Add an image at this width and return its height."""
        height = width * image.height / image.width
        size = min(image.width, round(FINER * width)), min(image.height, round(FINER * height))
        stored = io.BytesIO()
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        small.save(stored, "JPEG", quality=QUALITY)
        data = base64.b64encode(stored.getvalue()).decode()
        self.add(
            f'<image x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
            f' href="data:image/jpeg;base64,{data}"/>'
        )
        return height

    def rectangle(
        self, box: Box, *, fill: str = "none", stroke: str = "none", more: str = ""
    ) -> None:
        """Add a rectangle; `more` are further attributes."""
        x1, y1, x2, y2 = box
        self.add(
            f'<rect x="{x1:g}" y="{y1:g}" width="{x2 - x1:g}" height="{y2 - y1:g}"'
            f' fill="{fill}" stroke="{stroke}" {more}/>'
        )

    def box(self, box: Box, colour: str, label: str = "", *, dashed: bool = False) -> None:
        """Add a box as detections are drawn: an outline, and a label above its corner."""
        dash = 'stroke-dasharray="9 5"' if dashed else ""
        self.rectangle(box, stroke="#000", more='stroke-width="5" opacity="0.5"')
        self.rectangle(box, stroke=colour, more=f'stroke-width="3" {dash}')
        if label:
            width = 7 * len(label) + 8
            left = min(box[0] - 1.5, self.corner[0] + self.width - width)
            top = max(box[1] - 20, self.corner[1])
            self.rectangle((left, top, left + width, top + 20), fill="#111")
            self.text(left + 4, top + 15, label, colour="#fff", more='class="small"')

    def line(
        self, points: Sequence[tuple[float, float]], colour: str = "currentColor", more: str = ""
    ) -> None:
        """Add a line through points."""
        joined = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.add(f'<polyline points="{joined}" fill="none" stroke="{colour}" {more}/>')

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "start",
        colour: str = "currentColor",
        more: str = "",
    ) -> None:
        """Add a line of text."""
        self.add(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}" {more}>'
            f"{escape(text)}</text>"
        )

    def figure(self, text: str) -> Figure:
        """Finish the figure; `text` describes it to those who do not see it."""
        label = escape(text)
        inside = "\n".join(self.parts)  # without empty lines, which would end an HTML block
        view = " ".join(f"{side:g}" for side in (*self.corner, self.width, self.height))
        size = f'viewBox="{view}" style="max-width:{self.width:g}px"'
        return Figure(f'<svg {size} role="img" aria-label="{label}">{inside}</svg>', text)


@dataclass(frozen=True)
class Plot:
    """Axes on a canvas: numbers on both, and where a point is."""

    canvas: Canvas
    box: tuple[float, float, float, float]  # of the plot, without its numbers
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Convert a point of the data to one of the canvas."""
        left, top, right, bottom = self.box
        across = (x - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        up = (y - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        return round(left + across * (right - left), 2), round(bottom - up * (bottom - top), 2)

    def draw_axes(
        self, names: tuple[str, str], ticks: tuple[Sequence[float], Sequence[float]]
    ) -> None:
        """Draw both axes with ticks, grid lines and names."""
        left, top, right, bottom = self.box
        for value in ticks[0]:
            x, _ = self.at(value, self.y_range[0])
            self.canvas.line([(x, top), (x, bottom)], more='class="soft"')
            self.canvas.text(x, bottom + 16, f"{value:g}", anchor="middle", more='class="small"')
        for value in ticks[1]:
            _, y = self.at(self.x_range[0], value)
            self.canvas.line([(left, y), (right, y)], more='class="soft"')
            self.canvas.text(left - 6, y + 4, f"{value:g}", anchor="end", more='class="small"')
        self.canvas.line([(left, top), (left, bottom), (right, bottom)])
        self.canvas.text((left + right) / 2, bottom + 34, names[0], anchor="middle")
        x, y = left - 36, (top + bottom) / 2
        turned = f'transform="rotate(-90 {x:g} {y:g})"'
        self.canvas.text(x, y, names[1], anchor="middle", more=turned)
