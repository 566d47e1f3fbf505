"""Numbers of the papers on regions, counted in the built networks."""

import pytest
import torch

from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe

NAMES = [str(number) for number in range(20)]


@pytest.fixture(scope="module")
def faster():
    """Build Faster R-CNN at 600 × 1000, with a small head, since no regions are classified here."""
    torch.manual_seed(0)
    settings = load_recipe("faster-rcnn-vgg16", {"model.fully_connected": [8]}).model
    return build_detector(settings, NAMES, pretrained=False)


def test_faster_rcnn_has_9_anchors_a_place(faster):
    assert faster.proposals.num_anchors_per_cell == 9


def test_at_600_by_1000_there_are_21546_anchors_and_6000_go_into_nms(faster):
    # Caffe's pooling rounds up: conv5_3 has 38 × 63 places.
    assert faster.grids((600, 1000)) == [(38, 63)]
    assert 38 * 63 * 9 == 21_546
    assert faster.num_boxes == 6000


def test_300_proposals_are_left_of_them(faster):
    torch.manual_seed(0)
    head = faster.proposals.network.head
    with torch.no_grad():
        # As far from 0 as after a training.
        head.objectness.weight.mul_(20)
        images, features = torch.zeros(1, 3, 608, 1008), torch.rand(1, 512, 38, 63)
        proposed = faster.proposals(images, [features], (600, 1000))
    assert proposed.anchors.shape == (21_546, 4)
    assert len(proposed.regions[0]) == 300


def test_a_small_input_has_fewer_anchors_than_that():
    settings = load_recipe("faster-rcnn-vgg16", {"model.input": [128, 160]}).model
    with torch.device("meta"):
        assert build_detector(settings, NAMES, pretrained=False).num_boxes == 8 * 10 * 9


@pytest.mark.parametrize(
    ("recipe", "num_boxes"),
    [("rcnn", 2000), ("fast-rcnn", 2000), ("faster-rcnn-vgg16", 6000), ("rfcn-resnet101", 6000)],
)
def test_boxes_are_as_many_as_in_the_tutorial(recipe, num_boxes):
    with torch.device("meta"):
        detector = build_detector(load_recipe(recipe).model, NAMES, pretrained=False)
    assert detector.num_boxes == num_boxes


def test_resnet50_with_a_pyramid_has_as_many_parameters_as_torchvisions():
    recipe = load_recipe("faster-rcnn-resnet50-fpn")
    with torch.device("meta"):
        detector = build_detector(recipe.model, [str(n) for n in range(90)], pretrained=False)
    parameters = sum(parameter.numel() for parameter in detector.parameters())
    # torchvision does not count scales and shifts of the backbone's 26,560 normalised channels.
    assert parameters == 41_755_286 + 2 * 26_560
