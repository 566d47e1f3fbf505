"""Facts of small data sets, against numbers that can be counted by hand."""

import numpy as np
import pytest
import torch
from cells import make_cells
from PIL import Image

from singleshot.auto import constants
from singleshot.auto.facts import DataFacts
from singleshot.data.dataset import DataSet
from singleshot.data.opening import read_dataset
from singleshot.errors import DataError
from singleshot.structures import Truth


def dataset(tmp_path, boxes_of_images, labels_of_images, size=(100, 50)):
    """Images of this (width, height), with these boxes."""
    images = []
    for number, (boxes, labels) in enumerate(zip(boxes_of_images, labels_of_images, strict=True)):
        path = tmp_path / f"{number}.png"
        Image.new("L", size).save(path)
        corners = torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)
        images.append((path, Truth.of(corners, torch.tensor(labels, dtype=torch.int64))))
    return DataSet.of(["a", "b"], images, description="made up")


def test_sides_and_ratios_are_relative_to_the_image(tmp_path):
    # 20 x 10 of 100 x 50: a fifth of both sides; 50 x 50: half of the width, all of the height.
    data = dataset(tmp_path, [[(0, 0, 20, 10)], [(10, 0, 60, 50)], []], [[0], [0], []])
    found = DataFacts.of(data)
    assert (found.num_images, found.num_empty, found.num_objects) == (3, 1, 2)
    assert found.objects_per_class == {"a": 2, "b": 0}
    assert found.images_per_class == {"a": 2, "b": 0}
    assert found.median_size == (50, 100)
    assert found.median_ratio == 2
    np.testing.assert_allclose(found.sides, [0.2, np.sqrt(0.5)])
    np.testing.assert_allclose(found.ratios, [1, 0.5])
    assert found.side_at(0.1) == pytest.approx(0.2)
    assert found.part_below(0.5) == pytest.approx(0.5)
    # In an input of 100 x 200 the second is a square, as in the image.
    assert found.part_longer(1.5, (100, 100)) == pytest.approx(0.5)
    assert found.part_longer(1.5, (50, 100)) == pytest.approx(0.5)  # the first is 2 : 1 there


def test_a_rare_class_counts_more_than_its_objects(tmp_path):
    # Nine large objects of one class and a small one of another: 9 / √9 = 3 against 1.
    boxes = [[(0, 0, 50, 25)]] * 9 + [[(0, 0, 10, 5)]]
    found = DataFacts.of(dataset(tmp_path, boxes, [[0]] * 9 + [[1]]))
    assert found.part_below(0.2) == pytest.approx(0.25)


def test_few_images_of_a_large_data_set_are_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "MOST_LOOKED_AT", 3)
    data = dataset(tmp_path, [[(0, 0, 20, 10)]] * 9, [[0]] * 9)
    (tmp_path / "1.png").unlink()  # of 0 to 8, the first, the middle and the last are opened
    found = DataFacts.of(data)
    assert (found.num_images, found.num_looked_at, found.num_objects) == (9, 3, 9)
    assert "9 images (3 looked at) of 100 x 50" in found.describe()
    (tmp_path / "4.png").unlink()
    with pytest.raises(DataError, match=r"4\.png: there is no such image"):
        DataFacts.of(data)


def test_the_description_names_images_objects_and_classes(tmp_path):
    folder = make_cells(tmp_path / "cells")
    train, val = (read_dataset(folder, split) for split in ("train", "val"))
    found = DataFacts.of(train, val)
    assert (found.num_validation, found.num_validation_objects) == (2, 4)
    assert found.describe().startswith(
        "6 images, 1 without objects, of 128 x 96 in the median, 10 objects of 2 classes "
        "(RBC 5, WBC 5); "
    )
