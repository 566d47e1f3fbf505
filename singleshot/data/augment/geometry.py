"""Expansion, crops and flips: which part of the image is seen."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from singleshot.data.augment.settings import CropSettings, ExpandSettings
from singleshot.data.augment.view import View, draw_index, happens, uniform

__all__ = ["CropAroundObjects", "Expand", "FlipHorizontally", "FlipVertically", "sampled_crops"]

TINY = np.float32(1e-12)  # keeps 0 / 0 away; any real area is far larger


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
        objects = view.truth.boxes[~view.truth.crowd].numpy()
        good = _overlap_enough(
            crops.numpy(), objects, np.array(self.settings.min_ious, dtype=np.float32)
        )
        # The original stops each sampler at its first good crop.
        first = good.argmax(axis=1)
        windows = [view.window]
        for sampler in good.any(axis=1).nonzero()[0]:
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


@dataclass(frozen=True, slots=True)
class FlipVertically:
    """Flips top to bottom with some probability."""

    probability: float

    def __call__(self, view: View, random: torch.Generator) -> View:
        """Choose whether to flip; nothing is drawn for 0, for the numbers of older runs."""
        if not self.probability:
            return view
        flipped = view.flipped_vertically != happens(self.probability, random)
        return replace(view, flipped_vertically=flipped)


def sampled_crops(
    view: View, settings: CropSettings, random: torch.Generator
) -> Float[Tensor, "samplers trials 4"]:
    """Draw windows of random size, shape and position in the view's (`SampleBBox`, sampler.cpp)."""
    numbers = torch.rand(4, len(settings.min_ious), settings.trials, generator=random).numpy()
    low, high = settings.scale
    scale = low + (high - low) * numbers[0]
    low, high = settings.aspect_ratio
    # A long crop of this area would not fit into the image.
    square = scale * scale
    aspect_ratio = np.clip(low + (high - low) * numbers[1], square, 1 / square)
    height, width = view.size
    root = np.sqrt(aspect_ratio)
    crops = np.empty((*scale.shape, 4), dtype=np.float32)
    crop_width, crop_height = width * scale * root, height * scale / root
    crops[..., 0] = view.window[0] + numbers[2] * (width - crop_width)
    crops[..., 1] = view.window[1] + numbers[3] * (height - crop_height)
    crops[..., 2] = crops[..., 0] + crop_width
    crops[..., 3] = crops[..., 1] + crop_height
    return torch.from_numpy(crops)


def _overlap_enough(
    crops: Float[np.ndarray, "samplers trials 4"],
    objects: Float[np.ndarray, "n 4"],
    min_ious: Float[np.ndarray, " samplers"],
) -> Bool[np.ndarray, "samplers trials"]:
    """Mark the crops that overlap at least one object enough (`SatisfySampleConstraint`).

    The IoU is that of `pairwise_iou`, in NumPy: PyTorch takes four times as long to call its
    functions as they take to compute so few numbers.
    """
    corners, others = crops[..., None, :], objects.T
    x1, y1, x2, y2 = (corners[..., side] for side in range(4))
    width = np.minimum(x2, others[2]) - np.maximum(x1, others[0])
    height = np.minimum(y2, others[3]) - np.maximum(y1, others[1])
    intersection = np.maximum(width, 0) * np.maximum(height, 0)
    areas = np.maximum((others[2] - others[0]) * (others[3] - others[1]), TINY)
    union = (x2 - x1) * (y2 - y1) + areas - intersection
    enough: np.ndarray = (intersection / union >= min_ious[:, None, None]).any(axis=-1)
    return enough
