"""Views: an image through a window, before any pixel is drawn; and the random choices of one.

Random choices take their generator as an argument, so that a sample can be drawn again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from singleshot.structures import Sample, Truth

__all__ = ["Variation", "View", "Window", "draw_index", "happens", "uniform"]

Window = tuple[float, float, float, float]  # x1, y1, x2, y2
Recolour = Callable[[np.ndarray], np.ndarray]  # of RGB pixels, uint8 (h, w, 3)


@dataclass(frozen=True, slots=True)
class View:
    """An image, a window of it, and the changes that are made when it is drawn."""

    sample: Sample  # as it was read
    window: Window  # in pixels of the sample's image; it may reach beyond it
    truth: Truth  # objects that count in this window, in pixels of the sample's image
    flipped: bool
    recolour: Recolour
    flipped_vertically: bool = False

    @classmethod
    def of(cls, sample: Sample) -> View:
        """View the whole image, without changes."""
        height, width = sample.image.shape[-2:]
        return cls(sample, (0, 0, width, height), sample.truth, False, _keep_colours)

    @property
    def size(self) -> tuple[float, float]:
        """(height, width) of the window."""
        x1, y1, x2, y2 = self.window
        return y2 - y1, x2 - x1

    def through(self, window: Window) -> View:
        """Replace the window; only objects whose centre is inside still count.

        As in the original (`MeetEmitConstraint` with CENTER, bbox_util.cpp).
        """
        left, top, right, bottom = window
        # NumPy: PyTorch takes far longer to call its functions than they compute.
        x1, y1, x2, y2 = self.truth.boxes.numpy().T
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
        truth = self.truth if inside.all() else self.truth[torch.from_numpy(inside)]
        return replace(self, window=window, truth=truth)


Variation = Callable[[View, torch.Generator], View]


def uniform(low: float, high: float, random: torch.Generator) -> float:
    """Draw a number between `low` and `high`."""
    return low + (high - low) * float(torch.rand((), generator=random))


def happens(probability: float, random: torch.Generator) -> bool:
    """Draw true with this probability."""
    return float(torch.rand((), generator=random)) < probability


def draw_index(number: int, random: torch.Generator) -> int:
    """Draw one of 0 … number - 1."""
    return int(torch.randint(number, (), generator=random))


def _keep_colours(pixels: np.ndarray) -> np.ndarray:
    return pixels
