"""Images to time on where no others are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["draw_sample_images"]

NUM_SHAPES = 60


def draw_sample_images(folder: Path, number: int, size: tuple[int, int]) -> list[Path]:
    """Draw images of (height, width) `size` with coloured discs and boxes, the same in every run.

    Unlike noise they have regions for selective search, and edges for any detector.
    """
    random = np.random.default_rng(0)
    height, width = size
    paths = []
    for index in range(number):
        image = Image.new("RGB", (width, height), tuple(random.integers(60, 200, 3).tolist()))
        canvas = ImageDraw.Draw(image)
        for shape in range(NUM_SHAPES):
            x, y = random.integers(0, width), random.integers(0, height)
            across, down = random.integers(12, 140, 2)
            draw = canvas.ellipse if shape % 2 else canvas.rectangle
            box = (int(x), int(y), int(x + across), int(y + down))
            draw(box, fill=tuple(random.integers(0, 256, 3).tolist()))
        paths.append(folder / f"{index}.png")
        image.save(paths[-1])
    return paths
