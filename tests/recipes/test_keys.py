import pytest

from singleshot.errors import RecipeError
from singleshot.recipes.load import load_recipe

PIXELS = [30, 60, 111, 162, 213, 264, 315]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=3", "unknown key 'training.epoch'; did you mean 'training.epochs'?"),
        ("model.backbone.nmae=x", "did you mean 'model.backbone.name'?"),
        ("training.epochs=0", "training.epochs = 0: expected at least 1"),
        ("training.learning_rate=fast", "training.learning_rate = 'fast': expected a number"),
        ("model.input=[10, 320]", "model.input.0 = 10: expected at least 32"),
        ("model.priors.sizes_unit=[0.1]", "need one more size than that"),
        ("model.backbone.kind=vgg", "model.backbone"),
        ("training.lr=0.1", "'training.lr'; did you mean 'training.learning_rate'?"),
        ("learning_rate=0.1", "'learning_rate'; did you mean 'training.learning_rate'?"),
        ("training.optimizer=adam", "= 'adam': expected 'sgd' or 'adamw'"),
        ("model.num_classes=3", "'model.num_classes': the classes come from the data"),
        ("model.input=300", "model.input = 300: expected [height, width], such as [300, 300]"),
        ("model.input=300x400", "expected [height, width], such as [300, 300]"),
        ("training.frozen=backbone", "= 'backbone': expected a list in brackets"),
        ("training.qqqq=1", "unknown key 'training.qqqq'"),
        ("model.neck=pyramid", "'model.neck'; it belongs to a table [model] of another kind"),
    ],
)
def test_a_mistake_names_the_key_and_the_remedy(override, message):
    with pytest.raises(RecipeError) as caught:
        load_recipe("ssdlite320-lite0", [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("recipe", "overrides", "message"),
    [
        (
            "ssdlite320-lite0",
            {"model.priors.sizes_unit": PIXELS},
            "model.priors.sizes_unit.0 = 30: is no fraction of the input (2 at most); "
            "30 of 300 pixels is 0.1",
        ),
        (
            "ssdlite320-lite0",
            {"model.priors": {"shapes_unit": [[[0.1, 0.1], [0.2, 40]], [[60, 60]]]}},
            "model.priors.shapes_unit.0.1.1 = 40: is no fraction of the input",
        ),
        ("multibox", {"model.sizes_unit": PIXELS[:6]}, "model.sizes_unit.0 = 30: is no fraction"),
        (
            "faster-rcnn-vgg16",
            {"model.proposals.anchors.scales": [128, 256, 512]},
            "model.proposals.anchors.scales = [128, 256, 512]: 512 is no number of strides",
        ),
    ],
)
def test_priors_in_pixels_are_refused_by_the_first_of_them(recipe, overrides, message):
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, overrides)
    assert str(caught.value).startswith(f"{recipe}: {message}")
    assert str(caught.value).count(" = ") == 1
