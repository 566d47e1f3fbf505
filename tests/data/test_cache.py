from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from singleshot.data.cache import ImageCache, cache_images, require_readable
from singleshot.data.dataset import DataSet
from singleshot.errors import DataError
from singleshot.structures import Truth


@pytest.fixture
def dataset(tmp_path: Path) -> DataSet:
    """Three images of different sizes, 1,400 pixels in all."""
    none = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    images = []
    for index, size in enumerate(((10, 20), (30, 20), (20, 30))):
        path = tmp_path / f"{index}.png"
        Image.new("RGB", size, (index, 2 * index, 255)).save(path)
        images.append((path, none))
    return DataSet.of(("cat",), images, description="made up")


def test_a_cache_gives_the_images_of_its_data_set(dataset: DataSet, monkeypatch):
    monkeypatch.setattr("singleshot.data.cache.free_memory", lambda: 8400)
    messages: list[str] = []
    cache = cache_images(dataset, 0.5, messages.append)
    assert isinstance(cache, ImageCache)
    assert len(cache) == 3
    for index in range(3):
        assert torch.equal(cache[index].image, dataset[index].image)
        assert cache[index].name == dataset[index].name
    assert messages == ["3 images in memory (0 MB)"]


def test_images_that_take_more_than_the_share_are_not_cached(dataset: DataSet, monkeypatch):
    monkeypatch.setattr("singleshot.data.cache.free_memory", lambda: 8398)
    messages: list[str] = []
    assert cache_images(dataset, 0.5, messages.append) is dataset
    assert messages[0].startswith("images are decoded whenever they are needed")


def test_a_broken_image_is_named(dataset: DataSet):
    require_readable(dataset)
    Path(dataset.paths[1]).write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1\.png: is not an image"):
        require_readable(dataset)
