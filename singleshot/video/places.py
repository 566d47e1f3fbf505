"""Lines and zones in which objects are counted, as `--count` names them.

    line=0,0.5,1,0.5                a line across the middle of the image
    door=line:600,200,600,480       in pixels, with a name of its own
    yard=zone:0.1,0.5,0.9,0.5,1,1,0,1

Numbers are x, y of each point: fractions of the image's sides where all are 0 to 1, else pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from singleshot.errors import SingleshotError

__all__ = ["Place", "parse_places"]

Point = tuple[float, float]
Kind = Literal["line", "zone"]

SHORTEST = 2.0  # pixels of a line or of a zone's outline, below which nothing can be counted


@dataclass(frozen=True)
class Place:
    """A line or zone with its name; points are (x, y)."""

    name: str
    kind: Kind
    points: tuple[Point, ...]

    @property
    def is_unit(self) -> bool:
        """True where points are fractions of the image's sides, and not pixels."""
        return all(0 <= number <= 1 for point in self.points for number in point)

    def in_pixels(self, size: tuple[int, int]) -> Place:
        """Convert fractions to pixels of an image of this (height, width); pixels stay.

        Raises:
            SingleshotError: the line or outline is shorter than 2 pixels.
        """
        height, width = size
        points = self.points
        if self.is_unit:
            points = tuple((x * width, y * height) for x, y in points)
        if max(math.dist(*ends) for ends in pairwise(points)) < SHORTEST:
            raise SingleshotError(
                f"count: {self.kind} {self.name!r} is shorter than {SHORTEST:g} pixels; fractions "
                f"of the image are all from 0 to 1, pixels are larger"
            )
        return Place(self.name, self.kind, points)


def parse_places(texts: Sequence[str]) -> list[Place]:
    """Parse lines and zones, and name those without a name by their kind and number.

    Raises:
        SingleshotError: a text is none, or a name is given twice.
    """
    places: list[Place] = []
    for text in texts:
        name, kind, points = parse_place(text)
        if not name:
            number = 1 + sum(place.kind == kind for place in places)
            name = kind if number == 1 else f"{kind} {number}"
        if name in {place.name for place in places}:
            raise SingleshotError(f"count: {name!r} is given twice; each needs a name of its own")
        places.append(Place(name, kind, points))
    return places


def parse_place(text: str) -> tuple[str, Kind, tuple[Point, ...]]:
    """Parse the name (or ""), the kind and the points of one text."""
    before, _, after = text.partition("=")
    name, (kind, _, numbers) = (
        ("", (before, "", after)) if before in ("line", "zone") else (before, after.partition(":"))
    )
    if kind not in ("line", "zone") or (not name and before not in ("line", "zone")):
        raise SingleshotError(
            f"count: {text!r}: expected line=x1,y1,x2,y2, zone=x1,y1,x2,y2,x3,y3 or, with a name, "
            f"door=line:x1,y1,x2,y2"
        )
    points = parse_points(numbers, text)
    if kind == "line" and len(points) != 2:
        raise SingleshotError(f"count: {text!r}: {len(points)} points; a line has 2")
    if kind == "zone" and len(points) < 3:
        raise SingleshotError(f"count: {text!r}: {len(points)} points; a zone has 3 or more")
    return name, "line" if kind == "line" else "zone", points


def parse_points(numbers: str, text: str) -> tuple[Point, ...]:
    """Parse x, y of each point."""
    try:
        values = [float(number) for number in numbers.split(",")]
    except ValueError:
        values = [math.nan]
    if not all(map(math.isfinite, values)):
        raise SingleshotError(f"count: {text!r}: {numbers!r} are no numbers; expected x1,y1,x2,y2")
    if len(values) % 2:
        raise SingleshotError(
            f"count: {text!r}: {len(values)} numbers; each point has two, x and y"
        )
    return tuple(zip(values[::2], values[1::2], strict=True))
