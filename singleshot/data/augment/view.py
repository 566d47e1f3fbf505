"""An image to be seen through a window, before anything is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from singleshot.data.augment.colours import ColourChange
from singleshot.structures import Sample, Truth

__all__ = ["Variation", "View", "Window"]

Window = tuple[float, float, float, float]  # x1, y1, x2, y2


@dataclass(frozen=True, slots=True)
class View:
    """What the variations of a pipeline hand on."""

    sample: Sample  # as it was read
    window: Window  # of the sample's image, in its pixels; it may reach beyond it
    truth: Truth  # what counts in this window, still in pixels of the sample's image
    flipped: bool
    colours: ColourChange

    @classmethod
    def of(cls, sample: Sample) -> View:
        """The whole image as it is."""
        height, width = sample.image.shape[-2:]
        return cls(sample, (0, 0, width, height), sample.truth, False, ColourChange())

    @property
    def size(self) -> tuple[float, float]:
        """(height, width) of the window."""
        x1, y1, x2, y2 = self.window
        return y2 - y1, x2 - x1

    def through(self, window: Window) -> View:
        """Seen through another window; only objects whose centre is inside still count.

        As in the original (`MeetEmitConstraint` with CENTER, bbox_util.cpp).
        """
        x1, y1, x2, y2 = window
        centres = (self.truth.boxes[:, :2] + self.truth.boxes[:, 2:]) / 2
        inside = (centres >= centres.new_tensor([x1, y1])) & (
            centres <= centres.new_tensor([x2, y2])
        )
        return replace(self, window=window, truth=self.truth[inside.all(dim=1)])


Variation = Callable[[View, torch.Generator], View]
