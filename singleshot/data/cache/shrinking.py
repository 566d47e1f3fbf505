"""Large images, shrunk before they are kept in memory and varied."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from singleshot.data.dataset import DataSet
from singleshot.structures import Sample, Truth

__all__ = ["ShrunkImages", "shrink_truth", "shrunk_size"]


@dataclass(frozen=True)
class ShrunkImages:
    """A data set whose images have a shorter side of at most so many pixels.

    Boxes and areas are those of the shrunk image. Smaller images are not enlarged. JPEG files
    are decoded at a part of their size where that is large enough.
    """

    dataset: DataSet
    shorter_side: int

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        sample, size = self.dataset.read(index, self.shorter_side)
        shrunk = shrunk_size(size, self.shorter_side)
        if size == shrunk:
            return sample
        truth = shrink_truth(sample.truth, size, shrunk)
        return replace(sample, image=_resize(sample.image, shrunk), truth=truth)


def shrunk_size(size: tuple[int, int], shorter_side: int | None) -> tuple[int, int]:
    """Compute (height, width) with at most this shorter side and the same shape, rounded."""
    if shorter_side is None or min(size) <= shorter_side:
        return size
    height, width = (round(side * shorter_side / min(size)) for side in size)
    return height, width


def shrink_truth(truth: Truth, size: tuple[int, int], shrunk: tuple[int, int]) -> Truth:
    """Move objects from an image of a (height, width) to the same image of another."""
    down, across = shrunk[0] / size[0], shrunk[1] / size[1]
    scale = truth.boxes.new_tensor([across, down, across, down])
    return replace(truth, boxes=truth.boxes * scale, areas=truth.areas * (down * across))


def _resize(
    image: UInt8[Tensor, "3 h w"], size: tuple[int, int]
) -> UInt8[Tensor, "3 rows columns"]:
    """Shrink with Lanczos' filter, which keeps most detail; it will be resized once more."""
    height, width = size
    planes = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS))
        for plane in image.numpy()
    ]
    return torch.from_numpy(np.stack(planes))
