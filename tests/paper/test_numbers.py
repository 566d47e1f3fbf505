"""Facts of the paper and of its authors' code, from the networks as they are built."""

# Tests singleshot/backbones/vgg.py, singleshot/models/summary.py

import pytest
import torch

from singleshot.families import build_detector
from singleshot.models.summary import show_model
from singleshot.recipes.load import load_recipe


@pytest.mark.parametrize(
    ("recipe", "num_classes", "parameters", "gigamacs", "num_boxes"),
    [
        ("ssd300-vgg16", 20, 26_285_486, 31.374, 8_732),
        ("ssd300-vgg16", 90, 35_641_826, 34.858, 8_732),
        ("ssd512-vgg16", 20, 27_188_676, 90.208, 24_564),
    ],
)
def test_parameters_multiply_adds_and_boxes(recipe, num_classes, parameters, gigamacs, num_boxes):
    summary = show_model(recipe, num_classes)
    assert summary.parameters == parameters
    assert round(summary.macs / 1e9, 3) == gigamacs
    assert summary.num_boxes == num_boxes


def test_levels_of_ssd300():
    levels = show_model("ssd300-vgg16", 20).levels
    assert [level.grid for level in levels] == [
        (38, 38),
        (19, 19),
        (10, 10),
        (5, 5),
        (3, 3),
        (1, 1),
    ]
    assert [level.priors_per_cell for level in levels] == [4, 6, 6, 6, 4, 4]
    assert [level.channels for level in levels] == [512, 1024, 512, 256, 256, 256]
    assert [level.stride[0] for level in levels] == [8, 16, 32, 64, 100, 300]
    assert [level.box_channels for level in levels] == [16, 24, 24, 24, 16, 16]
    assert [level.class_channels for level in levels] == [84, 126, 126, 126, 84, 84]


@pytest.fixture(scope="module")
def ssd300():
    recipe = load_recipe("ssd300-vgg16")
    return build_detector(recipe.model, [f"class {n}" for n in range(20)], pretrained=False)


def test_channels_of_the_heads(ssd300):
    assert [head.out_channels for head in ssd300.heads.offsets] == [16, 24, 24, 24, 16, 16]
    assert [head.out_channels for head in ssd300.heads.logits] == [84, 126, 126, 126, 84, 84]


def test_first_prior_is_30_pixels_around_the_fourth(ssd300):
    first = ssd300.priors_cxcywh_unit[:4] * 300
    expected = [[4, 4, 30, 30], [4, 4, 42.43, 42.43], [4, 4, 42.43, 21.21], [4, 4, 21.21, 42.43]]
    torch.testing.assert_close(first, torch.tensor(expected), atol=5e-3, rtol=0)


def test_priors_reach_beyond_the_image(ssd300):
    assert (ssd300.priors_cxcywh_unit[:, 2:] > 1).any()


def test_sizes_of_ssd512_are_cut_to_whole_pixels():
    detector = build_detector(load_recipe("ssd512-vgg16").model, ["one"], pretrained=False)
    assert [level.shapes[0][0] for level in detector.levels] == [35, 76, 153, 230, 307, 384, 460]


@pytest.mark.parametrize("size", [[480, 360], [300, 500]])
def test_centres_stay_in_images_of_other_sizes(size):
    settings = load_recipe("ssd300-vgg16", {"model.input": size}).model
    centres = build_detector(settings, ["one"], pretrained=False).priors_cxcywh_unit[:, :2]
    # SSD300's tenth column of 32 pixels has its centre at 304 of 300.
    assert (centres < 1.02).all()
