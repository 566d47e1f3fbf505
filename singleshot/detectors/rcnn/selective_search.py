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

__all__ = ["SelectiveSearch", "whole_images"]

MOST_REMEMBERED = 16_384  # images: at 2,000 regions of 8 bytes, 262 MB


class View(NamedTuple):
    """An image as it is searched: of itself and its mirror image always the same one."""

    pixels: UInt8[np.ndarray, "rows columns 3"]
    mirrored: bool
    key: bytes  # tells contents apart


class SelectiveSearch:
    """Regions of images, each of which is searched once, and remembered by its content.

    A mirrored image has the mirrored regions, exactly: one of the two is searched for both.
    Searching both would not give that: regions of one colour merge in the order of rows and
    columns. What was not asked for lately is forgotten.
    """

    def __init__(self, settings: SearchSettings) -> None:
        self.settings = settings
        self.remembered: OrderedDict[bytes, Int16[Tensor, "n 4"]] = OrderedDict()

    def __call__(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> list[Float[Tensor, "_ 4"]]:
        """Regions of each image in its pixels, largest first.

        Images are RGB from 0 to 255, rounded to whole numbers.

        Raises ModelError where OpenCV is not installed, or is one without its extra modules.
        """
        height, width = images.shape[-2:]
        columns = min(width, self.settings.width)
        rows = max(round(height * columns / width), 1)
        whole = images.round().byte() if images.is_floating_point() else images
        views = [view_of(image, (rows, columns)) for image in whole.cpu()]
        scale = torch.tensor([width / columns, height / rows] * 2)
        return [
            (mirrored_if(view, regions.float(), columns) * scale).to(images.device)
            for view, regions in zip(views, self.regions_of(views), strict=True)
        ]

    def regions_of(self, views: Sequence[View]) -> list[Int16[Tensor, "_ 4"]]:
        """Those of each image as it was searched."""
        unknown = {view.key: view for view in views if view.key not in self.remembered}
        number = self.settings.regions
        if unknown:
            segmentation = opencv_segmentation()
            # OpenCV lets go of Python while it searches.
            with ThreadPoolExecutor() as pool:
                searched = pool.map(
                    lambda view: search(segmentation, view.pixels)[:number], unknown.values()
                )
                self.remembered.update(zip(unknown, searched, strict=True))
        for view in views:
            self.remembered.move_to_end(view.key)
        found = [self.remembered[view.key] for view in views]
        while len(self.remembered) > MOST_REMEMBERED:
            self.remembered.popitem(last=False)
        return found


def whole_images(images: Tensor, number: int) -> list[Float[Tensor, "_ 4"]]:
    """So many regions of each image, all of them the image itself."""
    height, width = images.shape[-2:]
    image = torch.tensor([[0, 0, width, height]], dtype=torch.float32, device=images.device)
    return [image.expand(number, 4)] * len(images)


def view_of(image: UInt8[Tensor, "3 h w"], size: tuple[int, int]) -> View:
    """Of an image and its mirror image, at the size of the search, that with the lesser key."""
    if image.shape[1:] != size:
        image = resize(image, size, "antialias").byte()
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    mirrored = np.ascontiguousarray(pixels[:, ::-1])
    return min(
        View(pixels, False, key_of(pixels)), View(mirrored, True, key_of(mirrored)), key=by_key
    )


def by_key(view: View) -> bytes:
    return view.key


def key_of(pixels: UInt8[np.ndarray, "rows columns 3"]) -> bytes:
    return blake2b(pixels.tobytes(), digest_size=16, salt=str(pixels.shape[:2]).encode()).digest()


def mirrored_if(view: View, regions: Float[Tensor, "n 4"], columns: int) -> Float[Tensor, "n 4"]:
    return flip_horizontally(regions, columns) if view.mirrored else regions


def search(segmentation: Any, pixels: UInt8[np.ndarray, "rows columns 3"]) -> Int16[Tensor, "n 4"]:
    """All regions as half-open boxes, largest first.

    OpenCV's order is left by: it is drawn at random, beyond the reach of any seed.
    """
    engine = segmentation.createSelectiveSearchSegmentation()
    engine.setBaseImage(np.ascontiguousarray(pixels[..., ::-1]))  # blue first
    engine.switchToSelectiveSearchFast()
    found = engine.process().astype(np.int16)
    x, y, width, height = found.T
    area = width.astype(np.int64) * height
    boxes = np.stack([x, y, x + width, y + height], axis=1)
    return torch.from_numpy(boxes[np.lexsort((x, y, width, -area))])


def opencv_segmentation() -> Any:
    """The module; it is imported late since only these detectors need it."""
    try:
        import cv2  # noqa: PLC0415

        return cv2.ximgproc.segmentation
    except (ImportError, AttributeError) as error:
        raise ModelError(
            "selective search needs OpenCV with its extra modules; install it with: pip install "
            "'singleshot[baselines]'"
        ) from error
