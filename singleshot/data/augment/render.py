"""Drawing a view at the input size of the network."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from singleshot.boxes.geometry import clip, flip_horizontally, flip_vertically, move_into
from singleshot.data.augment.view import View, draw_index
from singleshot.structures import Sample, Truth

__all__ = ["Render"]

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, slots=True)
class Render:
    """Crops, resizes, recolours and flips in one pass."""

    size: tuple[int, int]  # (height, width)
    interpolations: tuple[str, ...]  # one is taken each time, as in the original
    fill: tuple[int, int, int]  # RGB beyond the image: the mean, so that it becomes 0

    def __call__(self, view: View, random: torch.Generator) -> Sample:
        """Draw the sample of a view."""
        interpolation = self.interpolations[draw_index(len(self.interpolations), random)]
        return Sample(
            self.pixels(view, RESAMPLING[interpolation]), self.truth(view), view.sample.name
        )

    def pixels(self, view: View, resampling: Image.Resampling) -> UInt8[Tensor, "3 h w"]:
        """Draw the pixels of the view."""
        height, width = self.size
        canvas = np.empty((height, width, 3), dtype=np.uint8)
        left, top, right, bottom, box = self.placement(view)
        if (left, top, right, bottom) != (0, 0, width, height):
            canvas.reshape(height, -1)[:] = np.tile(np.array(self.fill, dtype=np.uint8), width)
        if right > left and bottom > top:
            # Pillow merges planes ten times as fast as NumPy transposes them.
            planes = [Image.fromarray(plane) for plane in view.sample.image.numpy()]
            size = (right - left, bottom - top)
            seen = Image.merge("RGB", planes).resize(size, resampling, box=box)
            if view.flipped:
                seen = seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
                left, right = width - right, width - left
            if view.flipped_vertically:
                seen = seen.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
                top, bottom = height - bottom, height - top
            canvas[top:bottom, left:right] = view.recolour(np.asarray(seen))
        # Channels stay last in memory: convolutions are fastest so.
        return torch.from_numpy(canvas).permute(2, 0, 1)

    def placement(self, view: View) -> tuple[int, int, int, int, tuple[float, float, float, float]]:
        """Compute the area of the canvas that the image covers, and the part of it seen there."""
        height, width = self.size
        rows, columns = view.sample.image.shape[-2:]
        x1, y1, _, _ = view.window
        scale_y, scale_x = height / view.size[0], width / view.size[1]
        left, right = _span(x1, columns, scale_x, width)
        top, bottom = _span(y1, rows, scale_y, height)
        box = (
            max(x1 + left / scale_x, 0),
            max(y1 + top / scale_y, 0),
            min(x1 + right / scale_x, columns),
            min(y1 + bottom / scale_y, rows),
        )
        return left, top, right, bottom, box

    def truth(self, view: View) -> Truth:
        """Move the objects of the view to the pixels drawn."""
        boxes = clip(move_into(view.truth.boxes, view.window, self.size), self.size)
        if view.flipped:
            boxes = flip_horizontally(boxes, self.size[1])
        if view.flipped_vertically:
            boxes = flip_vertically(boxes, self.size[0])
        truth = view.truth
        scale = self.size[0] * self.size[1] / (view.size[0] * view.size[1])
        return Truth(boxes, truth.labels, truth.difficult, truth.crowd, truth.areas * scale)


def _span(start: float, pixels: int, scale: float, limit: int) -> tuple[int, int]:
    """Compute the first and last pixel of the canvas that an image covers along one side."""
    first = round(max(-start * scale, 0))
    last = round(min((pixels - start) * scale, limit))
    return first, last
