"""Regions that look like things: selective search (Uijlings et al. 2013), by OpenCV."""

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int16, UInt8
from torch import Tensor

from singleshot.boxes.geometry import flip_horizontally
from singleshot.detectors.common.resize import resize
from singleshot.detectors.rcnn.settings import SearchSettings
from singleshot.errors import ModelError

__all__ = ["SelectiveSearch", "whole_image_regions"]

CACHE_SIZE = 16_384  # images: at 2,000 regions of 8 bytes, 262 MB


class _View(NamedTuple):
    """An image as it is searched: the same one for an image and its horizontal flip."""

    pixels: UInt8[np.ndarray, "rows columns 3"]
    flipped: bool
    key: bytes  # a hash of the content


class SelectiveSearch:
    """Selective search with a cache by content: each image is searched once.

    A flipped image has exactly the flipped regions: one of the two is searched for both. Two
    searches would differ, since regions of one colour merge in the order of rows and columns. The
    least recently used entries are dropped.
    """

    def __init__(self, regions: int = 2000, width: int = 500) -> None:
        """Keep the largest `regions` of an image; shrink images wider than `width` before."""
        self.regions, self.width = regions, width
        self.cache: OrderedDict[bytes, Int16[Tensor, "n 4"]] = OrderedDict()

    @classmethod
    def from_settings(cls, settings: SearchSettings) -> "SelectiveSearch":
        """Build the search that a table `model.search` describes."""
        return cls(settings.regions, settings.width)

    def __call__(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> list[Float[Tensor, "_ 4"]]:
        """Search each image; regions are in its pixels, largest first.

        Images are RGB from 0 to 255, rounded to whole numbers.

        Raises ModelError where OpenCV is not installed, or is one without its extra modules.
        """
        height, width = images.shape[-2:]
        columns = min(width, self.width)
        rows = max(round(height * columns / width), 1)
        whole = images.round().byte() if images.is_floating_point() else images
        views = [_view_of(image, (rows, columns)) for image in whole.cpu()]
        scale = torch.tensor([width / columns, height / rows] * 2)
        return [
            (_flip_back(view, regions.float(), columns) * scale).to(images.device)
            for view, regions in zip(views, self._regions_of(views), strict=True)
        ]

    def _regions_of(self, views: Sequence[_View]) -> list[Int16[Tensor, "_ 4"]]:
        """Search the views that are not in the cache; return the regions of all."""
        unknown = {view.key: view for view in views if view.key not in self.cache}
        if unknown:
            segmentation = _opencv_segmentation()
            # OpenCV releases the GIL while it searches.
            with ThreadPoolExecutor() as pool:
                searched = pool.map(
                    lambda view: _search(segmentation, view.pixels)[: self.regions],
                    unknown.values(),
                )
                self.cache.update(zip(unknown, searched, strict=True))
        for view in views:
            self.cache.move_to_end(view.key)
        regions = [self.cache[view.key] for view in views]
        while len(self.cache) > CACHE_SIZE:
            self.cache.popitem(last=False)
        return regions


def whole_image_regions(images: Tensor, number: int) -> list[Float[Tensor, "_ 4"]]:
    """Return `number` regions of each image, all equal to the image."""
    height, width = images.shape[-2:]
    image = torch.tensor([[0, 0, width, height]], dtype=torch.float32, device=images.device)
    return [image.expand(number, 4)] * len(images)


def _view_of(image: UInt8[Tensor, "3 h w"], size: tuple[int, int]) -> _View:
    """Choose between an image and its flip, at the size of the search, by the lesser key."""
    if image.shape[1:] != size:
        image = resize(image, size, "antialias").byte()
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    flipped = np.ascontiguousarray(pixels[:, ::-1])
    return min(
        _View(pixels, False, _key_of(pixels)), _View(flipped, True, _key_of(flipped)), key=_by_key
    )


def _by_key(view: _View) -> bytes:
    return view.key


def _key_of(pixels: UInt8[np.ndarray, "rows columns 3"]) -> bytes:
    return blake2b(pixels.tobytes(), digest_size=16, salt=str(pixels.shape[:2]).encode()).digest()


def _flip_back(view: _View, regions: Float[Tensor, "n 4"], columns: int) -> Float[Tensor, "n 4"]:
    return flip_horizontally(regions, columns) if view.flipped else regions


def _search(segmentation: Any, pixels: UInt8[np.ndarray, "rows columns 3"]) -> Int16[Tensor, "n 4"]:
    """Search an image; regions are half-open boxes, largest first.

    OpenCV's own order is random and has no seed.
    """
    engine = segmentation.createSelectiveSearchSegmentation()
    engine.setBaseImage(np.ascontiguousarray(pixels[..., ::-1]))  # blue first
    engine.switchToSelectiveSearchFast()
    x, y, width, height = engine.process().astype(np.int16).T
    area = width.astype(np.int64) * height
    boxes = np.stack([x, y, x + width, y + height], axis=1)
    return torch.from_numpy(boxes[np.lexsort((x, y, width, -area))])


def _opencv_segmentation() -> Any:
    """Import OpenCV's module, which only these detectors need."""
    try:
        import cv2  # noqa: PLC0415

        return cv2.ximgproc.segmentation
    except (ImportError, AttributeError) as error:
        raise ModelError(
            "selective search needs OpenCV with its extra modules; install it with: pip install "
            "'singleshot[baselines]'"
        ) from error
