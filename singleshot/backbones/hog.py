"""Histograms of oriented gradients as a feature map (Dalal and Triggs 2005, §6).

An image is cut into cells of 8 × 8 pixels. Each cell counts the directions of its gradients, and
each block of 2 × 2 cells is normalised to length 1: one vector of 36 numbers at every cell but the
last of a row or column. There are no trainable weights.
"""

import importlib
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from singleshot.backbones.backbone import Backbone
from singleshot.errors import ModelError

__all__ = ["CELL", "Hog", "hog_descriptor"]

# The paper's default detector, §5: no gamma correction, [-1, 0, 1], 9 directions in 0°–180°, blocks
# of 16 × 16 pixels under a Gaussian of 8, L2-Hys clipped at 0.2 as in Lowe's, a block at each cell.
CELL = 8  # pixels
CELLS_OF_BLOCK = 2  # down, and across
DIRECTIONS = 9
GAUSSIAN = 8.0  # pixels
CLIP = 0.2
CHANNELS = CELLS_OF_BLOCK**2 * DIRECTIONS


class Hog(Backbone):
    """A backbone with one feature map: the blocks of an image, computed by OpenCV."""

    channels = (CHANNELS,)
    # Pixels are not normalised.
    pixel_mean = (0.0, 0.0, 0.0)
    pixel_std = (1.0, 1.0, 1.0)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Compute (b, 36, rows, columns) from pixels from 0 to 255.

        Raises ModelError without OpenCV.
        """
        return [_blocks_of_batch(images)]


def _grid_of(height: int, width: int) -> tuple[int, int]:
    """Count blocks vertically and horizontally; an incomplete last cell belongs to none."""
    return height // CELL - CELLS_OF_BLOCK + 1, width // CELL - CELLS_OF_BLOCK + 1


@torch.library.custom_op("singleshot::hog", mutates_args=())
def _blocks_of_batch(images: Tensor) -> Tensor:
    """Compute blocks as a custom operator: PyTorch cannot trace into OpenCV."""
    arrays = images.round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
    return torch.from_numpy(np.stack([_blocks_of(array) for array in arrays])).to(images)


@_blocks_of_batch.register_fake
def _(images: Tensor) -> Tensor:
    batch, _, height, width = images.shape
    return images.new_empty(batch, CHANNELS, *_grid_of(height, width))


def _blocks_of(image: np.ndarray) -> np.ndarray:
    """Compute the blocks (36, rows, columns) of an image (height, width, 3) of bytes."""
    rows, columns = _grid_of(*image.shape[:2])
    # One window as large as the image.
    size = CELL * (columns + 1), CELL * (rows + 1)
    values = hog_descriptor(size).compute(np.ascontiguousarray(image[: size[1], : size[0]]))
    # OpenCV orders blocks, and cells, by column.
    blocks: np.ndarray = values.reshape(columns, rows, CHANNELS).transpose(2, 1, 0)
    return np.ascontiguousarray(blocks)


@lru_cache(maxsize=64)  # an image is scaled to a few dozen sizes
def hog_descriptor(size: tuple[int, int]) -> Any:
    """Create OpenCV's HOGDescriptor for windows of this (width, height)."""
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        raise ModelError(
            "histograms of oriented gradients need OpenCV; install it with: "
            "pip install 'singleshot[baselines]'"
        ) from error
    block, cell = CELL * CELLS_OF_BLOCK, CELL
    first_derivative, l2_hys = 1, 0
    return cv2.HOGDescriptor(
        size,
        (block, block),
        (cell, cell),
        (cell, cell),
        DIRECTIONS,
        first_derivative,
        GAUSSIAN,
        l2_hys,
        CLIP,
        False,  # gamma correction
    )
