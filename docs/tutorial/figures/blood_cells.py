"""The photograph of lessons 9 to 13: blood cells of three kinds and sizes.

BloodImage_00057 of https://github.com/Shenggan/BCCD_Dataset (MIT licence), a test image, with the
boxes of its annotation as the package reads them.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from tutorial.drawing import BLUE, GREEN, IMAGES, ORANGE

from singleshot.structures import Sample, Truth

__all__ = [
    "BOXES",
    "CLASS_NAMES",
    "COLOURS",
    "LABELS",
    "NAMES",
    "SIZE",
    "photograph",
    "sample",
    "truth",
]

SIZE = (480, 640)  # height, width
CLASS_NAMES = ("Platelets", "RBC", "WBC")  # of the annotation
NAMES = ("platelet", "red cell", "white cell")
COLOURS = (ORANGE, BLUE, GREEN)
WBC, RBC, PLATELET = 2, 1, 0

OBJECTS = (
    (RBC, (487, 251, 596, 357)),
    (RBC, (392, 126, 487, 214)),
    (RBC, (459, 63, 565, 172)),
    (RBC, (4, 318, 110, 427)),
    (RBC, (220, 314, 322, 406)),
    (RBC, (266, 16, 364, 117)),
    (WBC, (164, 70, 317, 215)),
    (PLATELET, (548, 404, 585, 444)),
    (PLATELET, (512, 400, 549, 440)),
    (RBC, (321, 290, 415, 391)),
    (RBC, (409, 289, 503, 390)),
)
LABELS: Int[Tensor, " n"] = torch.tensor([label for label, _ in OBJECTS])
BOXES: Float[Tensor, "n 4"] = torch.tensor([box for _, box in OBJECTS], dtype=torch.float32)


def photograph() -> Image.Image:
    """Open the photograph."""
    return Image.open(IMAGES / "blood-cells.jpg")


def truth(size: tuple[int, int]) -> Truth:
    """Return its objects, in pixels of an input of this (height, width)."""
    height, width = size
    scale = torch.tensor([width / SIZE[1], height / SIZE[0]] * 2)
    return Truth.of(BOXES * scale, LABELS)


def sample() -> Sample:
    """Return the photograph with its objects, as a data set would."""
    pixels = torch.from_numpy(np.array(photograph())).permute(2, 0, 1)
    return Sample(pixels, truth(SIZE), "blood-cells.jpg")
