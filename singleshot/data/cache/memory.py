"""Cache of decoded images, in memory or in a file that processes share; as many as fit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from singleshot.data.batching import Images
from singleshot.data.cache.file import PixelFile
from singleshot.data.cache.shrinking import ShrunkImages, shrink_truth, shrunk_size
from singleshot.data.dataset import DataSet
from singleshot.data.image_files.decoding import image_size
from singleshot.data.machine import available_cores, free_memory
from singleshot.structures import Sample

__all__ = ["ImageCache", "cache_images", "require_readable", "shrink_images"]


@dataclass(frozen=True)
class CacheLayout:
    """Layout of the pixels in the cache, which holds the first images of a data set."""

    sizes: Int64[np.ndarray, "cached 2"]  # height and width in the file
    shrunk: Int64[np.ndarray, "cached 2"]  # height and width in the cache
    ends: Int64[np.ndarray, " cached"]  # bytes, where each image ends

    @classmethod
    def of(cls, dataset: DataSet, shorter_side: int | None, allowed: float) -> CacheLayout:
        """Lay out as many images as take at most these bytes; reads their headers."""
        sizes: list[tuple[int, int]] = []
        shrunk: list[tuple[int, int]] = []
        needed = 0
        for path in dataset.paths:
            size = image_size(Path(path))
            height, width = shrunk_size(size, shorter_side)
            needed += 3 * height * width
            if needed > allowed:
                break
            sizes.append(size)
            shrunk.append((height, width))
        small = np.array(shrunk, dtype=np.int64).reshape(-1, 2)
        ends = (3 * small.prod(axis=1)).cumsum()
        return cls(np.array(sizes, dtype=np.int64).reshape(-1, 2), small, ends)

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def num_bytes(self) -> int:
        """Return the bytes of all pixels."""
        return int(self.ends[-1]) if len(self) else 0

    def pixels_of(
        self, index: int, pixels: UInt8[Tensor, " bytes"]
    ) -> UInt8[Tensor, "3 rows columns"]:
        """View the pixels of one image."""
        height, width = self.shrunk[index].tolist()
        end = int(self.ends[index])
        return pixels[end - 3 * height * width : end].view(3, height, width)


class ImageCache:
    """A data set whose first images are decoded once; the others whenever they are needed.

    A sample is the same either way. All pixels are in one array, which worker processes share.
    """

    def __init__(
        self,
        images: DataSet | ShrunkImages,
        layout: CacheLayout,
        pixels: UInt8[Tensor, " bytes"],
    ) -> None:
        """The pixels are those of the layout, already decoded."""
        self.images = images
        self.dataset, _ = _source(images)
        self.layout = layout
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        index = range(len(self))[index]
        if index >= len(self.layout):
            return self.images[index]
        truth = self.dataset.truth(index)
        (height, width), (rows, columns) = (
            sizes[index].tolist() for sizes in (self.layout.sizes, self.layout.shrunk)
        )
        if (height, width) != (rows, columns):
            truth = shrink_truth(truth, (height, width), (rows, columns))
        image = self.layout.pixels_of(index, self.pixels)
        return Sample(image, truth, str(self.dataset.paths[index]))


def cache_images(
    dataset: DataSet,
    share: float,
    on_message: Callable[[str], None],
    *,
    shorter_side: int | None = None,
    folder: Path | None = None,
) -> Images:
    """Cache the decoded images of a data set, from the first on, as many as are allowed.

    Args:
        dataset: the images.
        share: of the free memory, or of the free space of the folder's disk.
        on_message: is called with what is cached.
        shorter_side: pixels to which larger images are shrunk, cached or not.
        folder: of a file that all processes share which use these images; None: memory.

    Raises:
        DataError: an image is broken or missing.
        StorageError: the file cannot be written.
    """
    images = shrink_images(dataset, shorter_side)
    if share == 0:
        on_message("images are decoded whenever they are needed (training.cache = 0)")
        return images
    if folder is not None:
        return _in_file(images, share, on_message, PixelFile.of(dataset, shorter_side, folder))
    layout = CacheLayout.of(dataset, shorter_side, share * free_memory())
    _announce(layout, len(dataset), "memory", on_message)
    pixels = torch.empty(layout.num_bytes, dtype=torch.uint8)

    def fill(index: int) -> None:
        layout.pixels_of(index, pixels).copy_(images[index].image)

    _for_each_image(len(layout), fill)
    return ImageCache(images, layout, pixels)


def _in_file(
    images: DataSet | ShrunkImages,
    share: float,
    on_message: Callable[[str], None],
    file: PixelFile,
) -> Images:
    """Map the file of these images, which is written first where no other process did it."""
    dataset, shorter_side = _source(images)
    with file.locked():
        # Another process may have found more space, and stored more images.
        stored = file.num_bytes()
        allowed = share * file.free_space() if stored is None else stored
        layout = CacheLayout.of(dataset, shorter_side, allowed)
        if not len(layout):
            _announce(layout, len(dataset), str(file.path), on_message)
            return images
        if stored != layout.num_bytes:
            file.write(len(layout), lambda index: images[index].image)
    _announce(layout, len(dataset), str(file.path), on_message)
    return ImageCache(images, layout, file.open())


def _source(images: DataSet | ShrunkImages) -> tuple[DataSet, int | None]:
    """Return the data set and the shorter side to which its images are shrunk."""
    if isinstance(images, ShrunkImages):
        return images.dataset, images.shorter_side
    return images, None


def shrink_images(dataset: DataSet, shorter_side: int | None) -> DataSet | ShrunkImages:
    """Shrink larger images to a shorter side of so many pixels; None: none is."""
    return dataset if shorter_side is None else ShrunkImages(dataset, shorter_side)


def require_readable(dataset: DataSet) -> None:
    """Decode every image once; raises DataError, naming the file, when one is broken."""
    _for_each_image(len(dataset), dataset.__getitem__)


def _announce(
    layout: CacheLayout, number: int, place: str, on_message: Callable[[str], None]
) -> None:
    size = f"{layout.num_bytes / 1e6:.0f} MB"
    if len(layout) == number:
        on_message(f"{number} images in {place} ({size})")
        return
    on_message(
        f"{len(layout)} of {number} images in {place} ({size}, as many as training.cache allows); "
        f"the others are decoded whenever they are needed; with a smaller training.cache_side "
        f"more of them fit"
    )


def _for_each_image(number: int, work: Callable[[int], object]) -> None:
    """Call a function with every index, in threads: decoding releases Python's lock."""
    with ThreadPoolExecutor(available_cores()) as threads:
        for _ in threads.map(work, range(number)):
            pass
