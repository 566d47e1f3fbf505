import math

import pytest
import torch

from singleshot.detectors.common.regions import LabelledRegions
from singleshot.detectors.rcnn.rfcn import hardest_regions, losses_of_hardest, vote
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe

SMALL = {
    "model.input": [64, 96],
    "model.backbone.kind": "timm",
    "model.backbone.name": "tf_efficientnet_lite0",
    "model.backbone.strides": [8],
    "model.proposals.channels": 8,
    "model.reduced": 0,
    "model.bins": 3,
}


def literal_vote(maps, region, bins, stride):
    """Part by part, in whole cells."""
    x1, y1, x2, y2 = (round(value / stride) for value in region)
    wide, high = max(x2 - x1, 1) / bins, max(y2 - y1, 1) / bins
    num_maps, rows, columns = maps.shape
    votes = torch.zeros(num_maps // bins**2)
    for output in range(len(votes)):
        for row in range(bins):
            for column in range(bins):
                part = maps[(output * bins + row) * bins + column]
                top, bottom = edges(y1, row, high, rows)
                left, right = edges(x1, column, wide, columns)
                if bottom > top and right > left:
                    votes[output] += part[top:bottom, left:right].mean() / bins**2
    return votes


def edges(start, place, length, limit):
    first, last = math.floor(place * length) + start, math.ceil((place + 1) * length) + start
    return min(max(first, 0), limit), min(max(last, 0), limit)


@pytest.mark.parametrize("region", [(0, 0, 64, 48), (10, 7, 45, 61), (70, 5, 300, 20)])
def test_each_part_of_a_region_votes_by_maps_of_its_own(region, random):
    maps = torch.randn(1, 2 * 9, 6, 8, generator=random)
    votes = vote(maps, [torch.tensor([region]).float()], 3, 16)
    torch.testing.assert_close(votes[0], literal_vote(maps[0], region, 3, 16))


def test_the_greatest_costs_are_picked():
    assert set(hardest_regions(torch.tensor([3.0, 1, 5, 2]), 2).tolist()) == {0, 2}
    assert len(hardest_regions(torch.tensor([3.0]), 128)) == 1


def test_only_the_hardest_regions_of_each_image_learn():
    logits = torch.tensor([[2.0, 0], [0, 2], [1, 0], [0, 3], [0, 1]], requires_grad=True)
    offsets = torch.zeros(5, 2, 4, requires_grad=True)
    background = torch.zeros(5, dtype=torch.int64)
    boxes = torch.tensor([[0.0, 0, 9, 9]]).repeat(5, 1)
    whole = LabelledRegions(boxes, background, boxes)
    images = [whole.select(torch.arange(3)), whole.select(torch.arange(3, 5))]
    losses = losses_of_hardest(logits, offsets, images, 1)
    losses.total.backward()
    # The second of the first image, and the first of the second, are taken for objects.
    assert (logits.grad != 0).any(dim=1).tolist() == [False, True, False, True, False]
    costs = torch.nn.functional.cross_entropy(logits, background, reduction="none")
    torch.testing.assert_close(losses.terms["classification"], (costs[1] + costs[3]) / 2)


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return build_detector(load_recipe("rfcn-resnet101", SMALL).model, "abc", pretrained=False)


def test_offsets_of_all_classes_are_the_same(detector):
    with torch.no_grad():
        proposed, logits, offsets = detector(torch.rand(1, 3, 64, 96) * 255)
    assert logits.shape == (len(proposed.regions[0]), 4)
    assert torch.equal(offsets[:, 1], offsets[:, 3])
    assert not torch.equal(offsets[:, 0], offsets[:, 1])


def test_score_maps_are_49_for_each_class_and_the_background_offsets_8_times_49():
    with torch.device("meta"):
        settings = load_recipe("rfcn-resnet101").model
        detector = build_detector(settings, [str(n) for n in range(20)], pretrained=False)
    assert detector.score_maps.out_channels == 21 * 49
    assert detector.offset_maps.out_channels == 8 * 49
    assert detector.reduced[0].out_channels == 1024
    # The last stage is dilated: it is as fine as that before.
    assert detector.strides == [16, 16]


def test_maps_of_two_strides_are_refused():
    settings = load_recipe("rfcn-resnet101", {**SMALL, "model.backbone.strides": [8, 16]}).model
    with pytest.raises(ModelError, match=r"strides \[8, 16\]; name one level"):
        build_detector(settings, ["a"], pretrained=False)
