"""Expansion, crops and flips: which part of the image is seen."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from singleshot.boxes.geometry import pairwise_iou
from singleshot.data.augment.settings import CropSettings, ExpandSettings
from singleshot.data.augment.view import View, draw_index, happens, uniform

__all__ = ["CropAroundObjects", "Expand", "FlipHorizontally", "sampled_crops"]


@dataclass(frozen=True, slots=True)
class Expand:
    """Places the image on a larger canvas (paper §3.6; `ExpandImage`, data_transformer.cpp)."""

    settings: ExpandSettings

    def __call__(self, view: View, random: torch.Generator) -> View:
        """Widen the window."""
        if not happens(self.settings.probability, random):
            return view
        ratio = uniform(1, self.settings.up_to, random)
        height, width = view.size
        left = uniform(0, width * (ratio - 1), random)
        top = uniform(0, height * (ratio - 1), random)
        x1, y1, _, _ = view.window
        window = (x1 - left, y1 - top, x1 - left + width * ratio, y1 - top + height * ratio)
        return replace(view, window=window)


@dataclass(frozen=True, slots=True)
class CropAroundObjects:
    """The batch sampler (paper §2.2; `GenerateBatchSamples`, sampler.cpp).

    Each sampler draws crops until one overlaps some object by its minimum IoU. One of these crops
    or the whole image is taken.
    """

    settings: CropSettings

    def __call__(self, view: View, random: torch.Generator) -> View:
        """Narrow the window."""
        if not happens(self.settings.probability, random):
            return view
        crops = sampled_crops(view, self.settings, random)
        objects = view.truth.boxes[~view.truth.crowd]
        good = _overlap_enough(crops, objects, torch.tensor(self.settings.min_ious))
        # The original stops each sampler at its first good crop.
        first = good.int().argmax(dim=1)
        windows = [view.window]
        for sampler in good.any(dim=1).nonzero()[:, 0].tolist():
            x1, y1, x2, y2 = crops[sampler, first[sampler]].tolist()
            windows.append((x1, y1, x2, y2))
        return view.through(windows[draw_index(len(windows), random)])


@dataclass(frozen=True, slots=True)
class FlipHorizontally:
    """Flips left to right with some probability."""

    probability: float

    def __call__(self, view: View, random: torch.Generator) -> View:
        """Choose whether to flip."""
        return replace(view, flipped=view.flipped != happens(self.probability, random))


def sampled_crops(
    view: View, settings: CropSettings, random: torch.Generator
) -> Float[Tensor, "samplers trials 4"]:
    """Draw windows of random size, shape and position in the view's (`SampleBBox`, sampler.cpp)."""
    numbers = torch.rand(4, len(settings.min_ious), settings.trials, generator=random)
    low, high = settings.scale
    scale = low + (high - low) * numbers[0]
    low, high = settings.aspect_ratio
    # A long crop of this area would not fit into the image.
    aspect_ratio = (low + (high - low) * numbers[1]).clamp(scale**2, scale**-2)
    height, width = view.size
    crop_width = width * scale * aspect_ratio.sqrt()
    crop_height = height * scale / aspect_ratio.sqrt()
    x1 = view.window[0] + numbers[2] * (width - crop_width)
    y1 = view.window[1] + numbers[3] * (height - crop_height)
    return torch.stack([x1, y1, x1 + crop_width, y1 + crop_height], dim=-1)


def _overlap_enough(
    crops: Float[Tensor, "samplers trials 4"],
    objects: Float[Tensor, "n 4"],
    min_ious: Float[Tensor, " samplers"],
) -> Bool[Tensor, "samplers trials"]:
    """Mark the crops that overlap at least one object enough (`SatisfySampleConstraint`)."""
    iou = pairwise_iou(crops, objects[None])
    return (iou >= min_ious[:, None, None]).any(dim=-1)
