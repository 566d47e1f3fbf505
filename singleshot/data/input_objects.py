"""The objects of a data set after resizing to the network's input, as training matches them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from singleshot.boxes.geometry import area, clip, from_unit
from singleshot.data.dataset import DataSet
from singleshot.data.image_files.decoding import image_size
from singleshot.data.machine import available_cores

__all__ = ["InputObjects", "image_sizes", "objects_in_input"]


@dataclass(frozen=True, slots=True)
class InputObjects:
    """Objects that training matches, in pixels of the network's input."""

    boxes: Float[Tensor, "n 4"]
    labels: Int[Tensor, " n"]
    images: Int[Tensor, " n"]  # number of each object's image
    class_names: tuple[str, ...]
    num_images: int
    num_left_out: int  # objects without an area, and regions of crowds: never matched

    def __len__(self) -> int:
        return len(self.labels)


def image_sizes(dataset: DataSet) -> Int[np.ndarray, "images 2"]:
    """Read the (height, width) of every image from its header.

    Annotated sizes may be wrong, and training resizes what it decodes. Raises DataError, naming
    the file, for one that is missing or no image.
    """
    with ThreadPoolExecutor(available_cores()) as threads:
        sizes = threads.map(image_size, map(Path, dataset.paths))
        return np.array(list(sizes), dtype=np.int64).reshape(-1, 2)


def objects_in_input(
    dataset: DataSet, sizes: Int[np.ndarray, "images 2"], size: tuple[int, int]
) -> InputObjects:
    """Resize the objects with their images, of (height, width) `sizes`, to the input's `size`.

    The aspect ratio is not kept, as in training without augmentation; boxes are clipped to the
    image.
    """
    truths = dataset.truths
    lengths = dataset.objects_per_image
    sides = torch.from_numpy(np.ascontiguousarray(sizes[:, [1, 0, 1, 0]])).double()
    images = torch.arange(len(dataset)).repeat_interleave(lengths)
    unit = truths.boxes.double() / sides[images]
    boxes = clip(from_unit(unit, size), size).float()
    kept = (area(boxes) > 0) & ~truths.crowd
    return InputObjects(
        boxes[kept],
        truths.labels[kept],
        images[kept],
        dataset.class_names,
        len(dataset),
        num_left_out=int((~kept).sum()),
    )
