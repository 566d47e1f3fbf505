import pytest
from pydantic import ValidationError

from singleshot.detectors.ssd.settings import HeadSettings, LossSettings, PriorSettings
from singleshot.errors import RecipeError
from singleshot.recipes.load import load_recipe


@pytest.mark.parametrize("kind", ["focal", "quality-focal", "varifocal"])
def test_focal_losses_need_sigmoid_scores(kind):
    with pytest.raises(RecipeError, match=r"needs heads\.scores = 'sigmoid'"):
        load_recipe("ssdlite320-lite0", {"model.loss.classification": kind})
    sigmoid = {"model.loss.classification": kind, "model.heads.scores": "sigmoid"}
    assert load_recipe("ssdlite320-lite0", sigmoid).model.loss.is_focal


def test_mining_takes_either_kind_of_scores():
    assert not LossSettings().is_focal
    for scores in ("softmax", "sigmoid"):
        load_recipe("ssdlite320-lite0", {"model.heads.scores": scores})


def test_kernels_of_heads_are_odd():
    with pytest.raises(ValidationError, match="must be an odd number"):
        HeadSettings(kernels=(3, 2))


def test_priors_have_sizes_or_shapes():
    shapes = (((0.1, 0.1),),)
    with pytest.raises(ValidationError, match="give either sizes_unit"):
        PriorSettings()
    with pytest.raises(ValidationError, match="give either sizes_unit"):
        PriorSettings(shapes_unit=shapes, sizes_unit=(0.1, 0.2))
    with pytest.raises(ValidationError, match="strides has 2 entries for 1 levels"):
        PriorSettings(shapes_unit=shapes, strides=(8, 16))


def test_columns_of_a_softmax_begin_with_the_background():
    softmax = load_recipe("ssdlite320-lite0", {"model.heads.unused_columns": 2}).model
    assert list(softmax.class_columns(["a", "b"])) == [None, "a", "b", 0, 1]
    sigmoid = load_recipe("ssdlite320-lite0", {"model.heads.scores": "sigmoid"}).model
    assert list(sigmoid.class_columns(["a", "b"])) == ["a", "b"]
