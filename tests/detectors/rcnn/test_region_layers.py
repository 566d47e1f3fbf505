# Tests singleshot/detectors/common/fully_connected.py

import pytest
import torch

from singleshot.detectors.common.fully_connected import FullyConnected
from singleshot.detectors.rcnn.losses import offsets_of_label
from singleshot.detectors.rcnn.regions import pool_regions


def literal_pooling(features, region, side, stride):
    """Caffe's ROIPoolingLayer; its boxes have the last pixel inside."""
    x1, y1, x2, y2 = (round(value / stride) for value in inclusive(region))
    wide, high = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    _, rows, columns = features.shape
    cells = torch.zeros(features.shape[0], side, side)
    for row in range(side):
        top, bottom = span(y1, row, high, side, rows)
        for column in range(side):
            left, right = span(x1, column, wide, side, columns)
            if bottom > top and right > left:
                cells[:, row, column] = features[:, top:bottom, left:right].amax(dim=(1, 2))
    return cells


def inclusive(region):
    x1, y1, x2, y2 = region
    return x1, y1, x2 - 1, y2 - 1


def span(start, place, length, side, limit):
    first = place * length // side + start
    last = -(-(place + 1) * length // side) + start
    return min(max(first, 0), limit), min(max(last, 0), limit)


@pytest.mark.parametrize(
    "region", [(0, 0, 160, 96), (33, 17, 90, 80), (100, 50, 108, 58), (64, 3, 300, 40)]
)
def test_pooling_is_caffes(region, random):
    features = torch.randn(1, 3, 6, 10, generator=random)
    cells = pool_regions(features, [torch.tensor([region]).float()], 7, 16)
    torch.testing.assert_close(cells[0], literal_pooling(features[0], region, 7, 16))


def test_regions_of_each_image_come_from_its_own_map():
    features = torch.stack([torch.full((1, 4, 4), 1.0), torch.full((1, 4, 4), 2.0)])
    region = torch.tensor([[0.0, 0, 64, 64]])
    cells = pool_regions(features, [region.repeat(2, 1), region], 2, 16)
    assert cells.mean(dim=(1, 2, 3)).tolist() == [1, 1, 2]


def classifier(*layers, offset):
    """As torchvision names them: VGG16 has its layers at 0, 3, 6, AlexNet at 1, 4, 6."""
    state = {"features.0.weight": torch.zeros(1)}
    for number, (rows, columns) in zip(offset, layers, strict=True):
        state[f"classifier.{number}.weight"] = torch.randn(rows, columns)
        state[f"classifier.{number}.bias"] = torch.randn(rows)
    return state


@pytest.mark.parametrize("offset", [(0, 3, 6), (1, 4, 6)], ids=["vgg16", "alexnet"])
def test_fc6_and_fc7_come_from_a_classifiers_file(offset):
    state = classifier((8, 12), (8, 8), (1000, 8), offset=offset)
    layers = FullyConnected([12, 8, 8], dropout=0.5)
    assert layers.fill(state) == [
        f"classifier.{number}.{kind}" for kind in ("weight", "bias") for number in offset[:2]
    ]
    for name, number in zip(("fc6", "fc7"), offset, strict=False):
        layer = layers.get_submodule(name)
        assert torch.equal(layer.weight, state[f"classifier.{number}.weight"])
        assert torch.equal(layer.bias, state[f"classifier.{number}.bias"])


def test_a_file_of_other_layers_is_left_alone():
    layers = FullyConnected([12, 8, 8], dropout=0.5)
    assert not layers.fill(classifier((8, 20), (8, 8), (5, 8), offset=(0, 3, 6)))
    assert not layers.fill({"fc.weight": torch.zeros(5, 8), "classifier.weight": torch.zeros(1)})


def test_torchvisions_file_without_numbers_in_them_is_left_alone():
    state = classifier((8, 12), (8, 8), (5, 8), offset=(0, 3, 6))
    state["classifier.0.weight"].fill_(torch.nan)
    layers = FullyConnected([12, 8, 8], dropout=0.5)
    assert not layers.fill(state)
    assert layers.get_submodule("fc6").weight.isfinite().all()


def test_a_region_has_the_offsets_of_its_label():
    offsets = torch.arange(24.0).reshape(2, 3, 4)
    assert offsets_of_label(offsets, torch.tensor([2, 0])).tolist() == [
        [8, 9, 10, 11],
        [12, 13, 14, 15],
    ]
