import math

import pytest
import torch

from singleshot.detectors.common.box_coding import encode
from singleshot.detectors.ssd.losses.boxes import box_losses
from singleshot.recipes.load import load_recipe

SIZE = (200, 400)
PRIOR = torch.tensor([[0.5, 0.5, 0.25, 0.5]])


def cost(kind, said, truth):
    """The loss of one box, in pixels of an image of 400 by 200."""
    settings = load_recipe(
        "ssdlite320-lite0", {"model.input": list(SIZE), "model.loss.localization": kind}
    ).model
    said, truth = (
        torch.tensor([box]) / torch.tensor([400, 200, 400, 200]) for box in (said, truth)
    )
    offsets = encode(said, PRIOR, settings.priors.offset_scales)
    return box_losses(offsets, truth, PRIOR, settings).item()


SAID, TRUTH = (100.0, 50, 200, 150), (150.0, 50, 250, 100)
IOU = 50 * 50 / (100 * 100 + 100 * 50 - 50 * 50)


def test_giou_adds_what_the_hull_has_beyond_both():
    hull, union = 150 * 100, 12500
    assert cost("giou", SAID, TRUTH) == pytest.approx(1 - IOU + (hull - union) / hull, rel=1e-4)


def test_diou_adds_the_distance_of_centres_in_pixels():
    distance = (50**2 + 25**2) / (150**2 + 100**2)
    assert cost("diou", SAID, TRUTH) == pytest.approx(1 - IOU + distance, rel=1e-4)


def test_ciou_adds_the_aspect_ratio_too():
    distance = (50**2 + 25**2) / (150**2 + 100**2)
    v = 4 / math.pi**2 * (math.atan(2) - math.atan(1)) ** 2
    expected = 1 - IOU + distance + v**2 / (1 - IOU + v)
    assert cost("ciou", SAID, TRUTH) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["smooth-l1", "giou", "diou", "ciou"])
def test_the_right_box_costs_nothing(kind):
    assert cost(kind, TRUTH, TRUTH) == pytest.approx(0, abs=1e-5)


def test_smooth_l1_is_of_offsets():
    # 5 of the prior's 100 pixels, over a tenth: an offset of 0.5, which costs half its square.
    assert cost("smooth-l1", (155.0, 50, 255, 150), (150.0, 50, 250, 150)) == pytest.approx(
        0.125, rel=1e-5
    )
