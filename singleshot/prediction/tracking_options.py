"""Options of tracking and counting in videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import Literal

from singleshot.errors import SingleshotError
from singleshot.options import Options, option
from singleshot.video.places import Place, parse_places

__all__ = ["WithTracking"]


@dataclass(frozen=True, kw_only=True)
class WithTracking(Options):
    """Identities of objects in a video, and where they are counted."""

    track: bool = field(
        default=False,
        metadata=option("Of a video: give each object the same number in all frames (ByteTrack)."),
    )
    keep_lost: float = field(
        default=1.0,
        metadata=option(
            "Seconds for which an object that is not detected keeps its number, with --track.",
            metavar="S",
            minimum=0,
            maximum=60,
            unit="seconds",
        ),
    )
    count: Sequence[str] = field(
        default=(),
        metadata=option(
            "Of a video: count what crosses line=x1,y1,x2,y2 (with --track), or is in "
            "zone=x1,y1,x2,y2,x3,y3…; in pixels, or in fractions of the image. May be repeated, "
            "with names: door=line:0,0.5,1,0.5.",
            metavar="PLACE",
            cli_type=list[str],
        ),
    )
    count_at: Literal["bottom", "centre"] = field(
        default="bottom",
        metadata=option(
            "Where an object is, for --count: at the bottom of its box or at its centre."
        ),
    )

    def __post_init__(self) -> None:
        """Raise SingleshotError for a place that cannot be counted at, or without SciPy."""
        super().__post_init__()
        if isinstance(self.count, str):
            raise SingleshotError(f"count: {self.count!r}: expected a list of such texts")
        lines = [place.name for place in self.places if place.kind == "line"]
        if lines and not self.track:
            raise SingleshotError(
                f"count: line {lines[0]!r}: what crosses a line is known only of objects that are "
                f"tracked; add --track"
            )
        if self.track and find_spec("scipy") is None:
            raise SingleshotError(
                "tracking needs SciPy; install it with: pip install 'singleshot[track]'"
            )

    @cached_property
    def places(self) -> list[Place]:
        """Lines and zones to count at."""
        return parse_places(self.count)
