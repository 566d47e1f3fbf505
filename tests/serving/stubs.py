"""Detectors without a network, and images, for the tests of the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor

from singleshot.structures import Detections

__all__ = ["BoxDetector", "encoded_image"]


class BoxDetector:
    """Finds one box, the whole image, with the red of the first pixel as its score."""

    class_names = ("cat", "dog")

    def __init__(
        self, seconds: float = 0.0, on_batch: Callable[[Sequence[Tensor]], None] | None = None
    ) -> None:
        self.seconds, self.on_batch = seconds, on_batch
        self.batches: list[int] = []

    def detect(self, images):
        if self.on_batch is not None:
            self.on_batch(images)
        self.batches.append(len(images))
        time.sleep(self.seconds)
        return [
            Detections(
                torch.tensor([[0.0, 0.0, image.shape[2], image.shape[1]]]),
                torch.tensor([float(image[0, 0, 0]) / 255]),
                torch.tensor([1]),
            )
            for image in images
        ]


def encoded_image(
    kind: str = "JPEG", size: tuple[int, int] = (40, 30), red: int = 255, **options: object
) -> bytes:
    """An image of one colour, of (width, height) pixels."""
    stream = BytesIO()
    Image.new("RGB", size, (red, 0, 0)).save(stream, kind, **options)
    return stream.getvalue()
