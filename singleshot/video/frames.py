"""A frame of a video: upright RGB pixels with its number and its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

if TYPE_CHECKING:
    from av import VideoFrame
else:
    VideoFrame = Any  # of an extra

__all__ = ["Frame", "as_image", "timestamp_of", "upright_size"]


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a video."""

    index: int  # from 0; frames that are left out or dropped count, too
    time: float  # seconds from the first frame
    image: UInt8[Tensor, "3 h w"]  # RGB, upright


def as_image(frame: VideoFrame) -> UInt8[Tensor, "3 h w"]:
    """Convert a decoded frame to RGB, turned as its display matrix states (phones held upright)."""
    quarters = round(frame.rotation / 90) % 4  # counterclockwise
    pixels = np.rot90(frame.to_ndarray(format="rgb24"), quarters)
    # Pixels stay one after the other, which is faster to resize than planes.
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)


def upright_size(frame: VideoFrame) -> tuple[int, int]:
    """Compute the (width, height) of a decoded frame after it is turned."""
    sideways = round(frame.rotation / 90) % 2
    return (frame.height, frame.width) if sideways else (frame.width, frame.height)


def timestamp_of(frame: VideoFrame) -> int | None:
    """Return the timestamp of a frame in units of its time base; None where it has none.

    Some AVI files have only times of decoding, which FFmpeg carries over to the frame shown then.
    """
    return frame.dts if frame.pts is None else frame.pts
