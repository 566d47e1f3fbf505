from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.augment.settings import AugmentationSettings
from singleshot.data.batching import AugmentedImages, Draw
from singleshot.data.cache.memory import ImageCache, cache_images, require_readable
from singleshot.data.dataset import DataSet
from singleshot.errors import DataError
from singleshot.structures import Truth


@pytest.fixture
def dataset(tmp_path: Path) -> DataSet:
    """Three images of different sizes, 1,400 pixels in all."""
    images = []
    random = np.random.default_rng(0)
    for index, size in enumerate(((10, 20), (30, 20), (20, 30))):
        path = tmp_path / f"{index}.png"
        Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
        truth = Truth.of(torch.tensor([[1.0, 2, 8, 9]]), torch.tensor([index]))
        images.append((path, truth))
    return DataSet.of(("cat", "dog", "cow"), images, description="made up")


def free(monkeypatch, num_bytes):
    monkeypatch.setattr("singleshot.data.cache.memory.free_memory", lambda: num_bytes)


def same(one, other):
    return (
        torch.equal(one.image, other.image)
        and torch.equal(one.truth.boxes, other.truth.boxes)
        and torch.equal(one.truth.areas, other.truth.areas)
        and torch.equal(one.truth.labels, other.truth.labels)
        and one.name == other.name
    )


def test_a_cache_gives_the_images_of_its_data_set(dataset: DataSet, monkeypatch):
    free(monkeypatch, 8400)
    messages: list[str] = []
    cache = cache_images(dataset, 0.5, messages.append)
    assert isinstance(cache, ImageCache)
    assert len(cache) == 3
    assert all(same(cache[index], dataset[index]) for index in range(3))
    assert messages == ["3 images in memory (0 MB)"]


def test_as_many_images_as_fit_are_kept_and_the_others_read_again(dataset: DataSet, monkeypatch):
    free(monkeypatch, 8398)
    messages: list[str] = []
    cache = cache_images(dataset, 0.5, messages.append)
    assert messages[0].startswith("2 of 3 images in memory (0 MB, as many as training.cache")
    assert all(same(cache[index], dataset[index]) for index in range(3))
    for path in dataset.paths:
        Path(path).unlink()
    assert cache[1].image.shape == (3, 30, 20)
    with pytest.raises(DataError, match=r"2\.png"):
        cache[2]


def test_without_a_share_no_image_is_kept(dataset: DataSet):
    messages: list[str] = []
    assert cache_images(dataset, 0, messages.append) is dataset
    assert "training.cache = 0" in messages[0]


@pytest.mark.parametrize("side", [None, 12])
def test_training_samples_are_the_same_whatever_is_cached(
    dataset: DataSet, monkeypatch, tmp_path, side
):
    augmentation = Augmentation.of(AugmentationSettings(mosaic=0.5), (16, 16), (0, 0, 0))
    draws = [Draw(*one) for one in itertools.product(range(5), range(3))]
    caches = []
    for num_bytes in (0, 1500, 10_000):
        free(monkeypatch, num_bytes)
        caches.append(cache_images(dataset, 1, lambda _: None, shorter_side=side))
    caches.append(cache_images(dataset, 0, lambda _: None, shorter_side=side))
    caches.append(
        cache_images(dataset, 0.1, lambda _: None, shorter_side=side, folder=tmp_path / "kept")
    )
    first, *others = [AugmentedImages(cache, augmentation, seed=1) for cache in caches]
    for draw in draws:
        assert all(same(first[draw], other[draw]) for other in others)


def test_a_broken_image_is_named(dataset: DataSet):
    require_readable(dataset)
    Path(dataset.paths[1]).write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1\.png: is not an image"):
        require_readable(dataset)
    with pytest.raises(DataError, match=r"1\.png: is not an image"):
        cache_images(dataset, 0.5, lambda _: None)
