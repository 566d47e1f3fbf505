"""Numbers for some of the objects or pictures only: where a detector is weak."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Slice"]


class Slice(NamedTuple):
    """What a detector is worth on one part of a data set."""

    by: str  # "box size", "aspect ratio", "crowding" or the name of an attribute
    name: str  # such as "small", "wide > 2", "2-5 objects", "night"; "" where unknown
    images: int  # pictures that belong to it; for a slice of boxes, pictures with such a truth
    truths: int  # that count
    average_precision: float | None  # mean over classes with truths in it; None without
    recall: float | None  # hits / truths at the score thresholds; None without truths
