"""Films of a few small frames, made with PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from singleshot.structures import Detections

PIXELS = {"mjpeg": "yuvj420p", "ffv1": "bgr0"}  # FFV1 keeps every pixel as it is
# Each frame has one grey all over, from which its number is read again.
FIRST_GREY, STEP = 20, 8


def make_film(
    path: Path,
    frames: int | Sequence[np.ndarray] = 8,
    *,
    times: Sequence[int] | None = None,
    rate: int = 10,
    size: tuple[int, int] = (64, 48),
    codec: str = "mpeg4",
    format: str | None = None,
) -> Path:
    """Write a film; `times` are in units of 1 / (100 * rate) seconds, `size` is (width, height)."""
    images = [grey_image(n, size) for n in range(frames)] if isinstance(frames, int) else frames
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = PIXELS.get(codec, "yuv420p")
        stream.codec_context.time_base = Fraction(1, 100 * rate)
        stream.bit_rate = 4_000_000
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = 100 * number if times is None else times[number]
            frame.time_base = Fraction(1, 100 * rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def grey_image(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """Make the frame with this number."""
    return np.full((size[1], size[0], 3), FIRST_GREY + STEP * number, dtype=np.uint8)


def number_of(image) -> int:
    """Read the number of a frame from its grey."""
    return round((float(image.float().mean()) - FIRST_GREY) / STEP)


def square_image(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """Draw the frame of a white square that moves to the right by a pixel a frame."""
    image = np.full((size[1], size[0], 3), 40, dtype=np.uint8)
    left, top, right, bottom = square_box(number)
    image[top:bottom, left:right] = 240
    return image


def square_box(number: int) -> list[int]:
    """The box of that square."""
    return [5 + number, 10, 17 + number, 20]


class SquareDetector:
    """Detects what is bright, by its pixels; its score is the share of the image that is."""

    class_names = ("nothing", "square")

    def __init__(self) -> None:
        self.batches: list[int] = []

    def detect(self, images):
        self.batches.append(len(images))
        return [self._detect(image) for image in images]

    def _detect(self, image) -> Detections:
        bright = image.float().mean(dim=0) > 140
        rows, columns = bright.any(dim=1).nonzero(), bright.any(dim=0).nonzero()
        if not len(rows):
            return Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long))
        corners = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        score = 1 - bright.float().mean()
        return Detections(torch.cat(corners)[None].float(), score[None], torch.tensor([1]))
