"""Options of detection in tiles, shared by `predict` and `evaluate`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from singleshot.errors import SingleshotError
from singleshot.options import Options, option

__all__ = ["TileSize", "WithTiles", "parse_tile"]

TileSize = str | Sequence[int]

SMALLEST = 16  # pixels: below it a tile is an object rather than an image


def parse_tile(tile: TileSize) -> tuple[int, int]:
    """Read 640x480, height by width, or the two numbers, as (height, width).

    Raises:
        SingleshotError: it is anything else, or smaller than 16 pixels.
    """
    texts = re.split(r"[x×]", tile.strip()) if isinstance(tile, str) else [str(one) for one in tile]
    if len(texts) == 2 and all(re.fullmatch(r"\d{1,5}", text) for text in texts):
        height, width = map(int, texts)
        if min(height, width) >= SMALLEST:
            return height, width
    raise SingleshotError(
        f"tile: {tile!r}: expected height x width in pixels, {SMALLEST} or more, such as 640x640"
    )


@dataclass(frozen=True, kw_only=True)
class WithTiles(Options):
    """Tiles to detect in besides the whole image."""

    tile: str | Sequence[int] | None = field(
        default=None,
        metadata=option(
            "Detect in overlapping tiles of this height x width as well as in the whole image: for "
            "small objects in large images.",
            metavar="HxW",
            cli_type=str | None,
            validate=parse_tile,
        ),
    )
    tile_overlap: float = field(
        default=0.2,
        metadata=option(
            "Share of a tile that it has in common with the next: objects up to that size are "
            "whole in one of them.",
            metavar="SHARE",
            minimum=0,
            maximum=0.9,
        ),
    )
