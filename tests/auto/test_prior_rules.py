"""Rules of the priors: sizes from the smallest objects on, ratios for long ones."""

import numpy as np
import pytest
from tasks import task

from singleshot.auto.prior_rules import choose_priors
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe


def priors(input=(320, 320), strides=(8, 16, 32), **facts):
    sizes, ratios = choose_priors(task(**facts), input, list(strides))
    return sizes.value, ratios.value


def test_objects_of_the_recipes_sizes_keep_its_priors():
    sizes, ratios = priors()
    own = load_recipe("ssdlite320-lite0").model.priors
    assert sizes == pytest.approx(own.sizes_unit)
    assert tuple(map(tuple, ratios)) == own.aspect_ratios


def test_the_smallest_prior_is_as_small_as_the_smallest_objects():
    # 1.3 · 0.04; the next follows by the root of the factor, the others stay.
    sizes, _ = priors(sides=np.full(100, 0.04))
    assert sizes[0] == 0.052
    assert sizes[1] == pytest.approx(0.15 * (0.052 / 0.075) ** 0.5, abs=0.001)
    assert sizes[2:] == [0.3, 0.5, 0.7, 0.85, 1.0]
    # No smaller than two cells: 16 of 320 pixels.
    assert priors(sides=np.full(100, 0.01))[0][0] == 0.05


def test_sizes_are_of_the_area_whatever_the_shape():
    # 226 x 453 pixels have the area of 320 x 320, and a shorter side of 0.707 as much.
    wide, _ = priors(input=(160, 640), sides=np.full(100, 0.04))
    assert wide[0] == pytest.approx(2 * 0.052)


def test_long_objects_add_long_priors():
    # Seven times as wide as high in the image: 5.25 in a square input.
    _, ratios = priors(ratios=np.full(100, 5.25))
    assert ratios == [[2, 3, 5]] * 6
    assert priors(ratios=np.full(100, 1 / 3))[1] == [[2, 3]] * 6


def test_a_fine_level_has_priors_and_the_network_can_be_built():
    input, strides = (352, 416), [4, 8, 16, 32]
    sizes, ratios = priors(input, strides, sides=np.full(100, 0.025))
    changes = {
        "model.input": input,
        "model.backbone.strides": strides,
        "model.priors.sizes_unit": sizes,
        "model.priors.aspect_ratios": ratios,
    }
    detector = build_detector(
        load_recipe("ssdlite320-lite0", changes).model, ["one"], pretrained=False
    )
    levels = detector.prior_layout().levels
    assert levels[0].grid == (88, 104)
    assert levels[0].shapes[0][0] == pytest.approx(1.3 * 0.025 * (352 * 416) ** 0.5, rel=0.02)
    assert levels[1].shapes[0][0] == pytest.approx(2 * levels[0].shapes[0][0], rel=0.02)


@pytest.mark.parametrize("strides", [(16, 32), (8, 16), (4, 8, 16, 32), (32,)])
@pytest.mark.parametrize("side", [0.02, 0.2])
def test_given_levels_have_as_many_priors_each_larger_than_the_one_before(strides, side):
    sizes, ratios = priors((128, 128), strides, sides=np.full(100, side))
    assert len(sizes) == len(ratios) + 1 == len(strides) + 4
    assert sizes == sorted(set(sizes))


def test_levels_that_are_left_out_take_their_priors_with_them():
    own = load_recipe("ssdlite320-lite0").model.priors.sizes_unit
    assert priors(strides=(16, 32))[0] == pytest.approx(own[1:])
    assert priors(strides=(8, 16))[0] == pytest.approx(own[:-1])
