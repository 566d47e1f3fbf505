"""The pictures a detector does worst on."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["HardPicture"]


class HardPicture(NamedTuple):
    """What went wrong in a picture, at the score thresholds."""

    image: int  # index of the picture
    misses: int
    false_alarms: int
    f1: float  # 2 x hits / (2 x hits + misses + false alarms)
