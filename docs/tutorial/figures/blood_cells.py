"""The photograph of lessons 9 to 16, blood cells of three kinds and sizes, as tensors."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from tutorial.drawing import BLUE, GREEN, ORANGE
from tutorial.photographs import BLOOD, open_photograph

from singleshot.structures import Sample, Truth

__all__ = [
    "BOXES",
    "COLOURS",
    "LABELS",
    "NAMES",
    "SIZE",
    "photograph",
    "sample",
    "truth",
]

SIZE = (480, 640)  # height, width
NAMES = ("platelet", "red cell", "white cell")
COLOURS = (ORANGE, BLUE, GREEN)
WBC, RBC, PLATELET = 2, 1, 0

LABELS: Int[Tensor, " n"] = torch.tensor([label for label, _ in BLOOD])
BOXES: Float[Tensor, "n 4"] = torch.tensor([box for _, box in BLOOD], dtype=torch.float32)


def photograph() -> Image.Image:
    """Open the photograph."""
    return open_photograph("blood")


def truth(size: tuple[int, int]) -> Truth:
    """Return its objects, in pixels of an input of this (height, width)."""
    height, width = size
    scale = torch.tensor([width / SIZE[1], height / SIZE[0]] * 2)
    return Truth.of(BOXES * scale, LABELS)


def sample() -> Sample:
    """Return the photograph with its objects, as a data set would."""
    pixels = torch.from_numpy(np.array(photograph())).permute(2, 0, 1)
    return Sample(pixels, truth(SIZE), "blood.jpg")
