from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from report_scene import Scene, make_scene

from singleshot.data.dataset import DataSet
from singleshot.metrics import Protocol
from singleshot.structures import Truth

SIZES = [(60, 40), (50, 50), (40, 60)]  # of the images


@pytest.fixture
def dataset(tmp_path: Path) -> DataSet:
    """Three images with two, one and no objects; ids with gaps, as in COCO."""
    truths = [
        Truth.of(torch.tensor([[0.0, 0, 20, 20], [30, 10, 50, 38]]), torch.tensor([0, 1])),
        Truth.of(torch.tensor([[5.1, 5.2, 45.3, 45.4]]), torch.tensor([1])),
        Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)),
    ]
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for path, size in zip(paths, SIZES, strict=True):
        Image.new("RGB", size, "gray").save(path)
    return DataSet.of(
        ["cat", "dog"],
        zip(paths, truths, strict=True),
        description="three images",
        image_ids=[7, 3, 12],
        category_ids=[2, 9],
    )


@pytest.fixture(scope="session")
def scene(tmp_path_factory) -> Scene:
    """Sixteen images, one of them broken, with detections right and wrong in every way."""
    return make_scene(tmp_path_factory.mktemp("scene"), Protocol.VOC10)
