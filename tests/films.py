"""Films of a few small frames, made with PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

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
    import av

    images = [grey_image(n, size) for n in range(frames)] if isinstance(frames, int) else frames
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
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
