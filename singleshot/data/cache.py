"""Cache of decoded images in memory, if they fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from singleshot.data.dataset import DataSet
from singleshot.data.images import image_size
from singleshot.data.machine import available_cores, free_memory
from singleshot.structures import Sample

__all__ = ["ImageCache", "cache_images", "require_readable"]


class ImageCache:
    """A data set whose images are decoded once.

    All pixels are in one array, which worker processes share however they are started.
    """

    def __init__(self, dataset: DataSet, sizes: list[tuple[int, int]]) -> None:
        """Decode all images; DataError, naming the file, when one is broken."""
        self.dataset = dataset
        self.sizes = sizes
        counts = torch.tensor([height * width * 3 for height, width in sizes])
        self.ends: Tensor = counts.cumsum(0)
        self.pixels = torch.empty(int(counts.sum()), dtype=torch.uint8)
        _for_each_image(dataset, self._fill)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        return Sample(self._pixels_of(index), self.dataset.truth(index), str(self.dataset.paths[index]))

    def _pixels_of(self, index: int) -> Tensor:
        """View the pixels of one image: (channels, height, width)."""
        height, width = self.sizes[index]
        end = int(self.ends[index])
        return self.pixels[end - height * width * 3 : end].view(3, height, width)

    def _fill(self, index: int) -> None:
        """Decode one image into the array."""
        self._pixels_of(index).copy_(self.dataset[index].image)


def cache_images(
    dataset: DataSet, share_of_memory: float, on_message: Callable[[str], None]
) -> DataSet | ImageCache:
    """Cache the images of a data set if they take at most this share of the free memory."""
    allowed = share_of_memory * free_memory()
    sizes: list[tuple[int, int]] = []
    needed = 0
    for height, width in _image_sizes(dataset):
        sizes.append((height, width))
        needed += height * width * 3
        if needed > allowed:
            on_message(
                f"images are decoded whenever they are needed: all of them would take more than "
                f"the {allowed / 1e9:.1f} GB that training.cache allows"
            )
            return dataset
    on_message(f"{len(dataset)} images in memory ({needed / 1e6:.0f} MB)")
    return ImageCache(dataset, sizes)


def require_readable(dataset: DataSet) -> None:
    """Decode every image once; raises DataError, naming the file, when one is broken."""
    _for_each_image(dataset, dataset.__getitem__)


def _for_each_image(dataset: DataSet, work: Callable[[int], object]) -> None:
    """Call a function with every index, in threads: decoding releases Python's lock."""
    with ThreadPoolExecutor(available_cores()) as threads:
        for _ in threads.map(work, range(len(dataset))):
            pass


def _image_sizes(dataset: DataSet) -> Iterator[tuple[int, int]]:
    for path in dataset.paths:
        yield image_size(Path(path))
