"""Facts of the MobileNet detectors, from the networks as they are built."""

import pytest

from singleshot.families import build_detector
from singleshot.models.summary import show_model
from singleshot.recipes.load import load_recipe


@pytest.mark.parametrize(
    ("num_classes", "parameters", "gigamacs"), [(90, 3_440_060, 0.583), (20, 2_469_860, 0.443)]
)
def test_ssdlite_on_mobilenet_v3_is_as_large_as_torchvisions(num_classes, parameters, gigamacs):
    summary = show_model("ssdlite320-mobilenet-v3", num_classes)
    assert summary.parameters == parameters
    assert round(summary.macs / 1e9, 3) == gigamacs
    assert summary.num_boxes == 3_234


@pytest.mark.parametrize(
    ("recipe", "num_boxes", "levels"),
    [
        (
            "ssdlite320-mobilenet-v3",
            3_234,
            [(672, 20), (480, 10), (512, 5), (256, 3), (256, 2), (128, 1)],
        ),
        (
            "ssdlite320-mobilenet-v2",
            3_234,
            [(576, 20), (1280, 10), (512, 5), (256, 3), (256, 2), (128, 1)],
        ),
        (
            "ssd300-mobilenet-v1",
            3_000,
            [(512, 19), (1024, 10), (512, 5), (256, 3), (256, 2), (128, 1)],
        ),
    ],
)
def test_channels_and_grids(recipe, num_boxes, levels):
    summary = show_model(recipe, 20)
    assert [(level.channels, level.grid[0]) for level in summary.levels] == levels
    assert summary.num_boxes == num_boxes


def test_mobilenet_v2_starts_from_torchvisions_imagenet_weights(shared):
    file = next((shared / "weights" / "mobilenet_v2_imagenet").glob("*.pth"))
    recipe = load_recipe("ssdlite320-mobilenet-v2", {"model.backbone.weights": str(file)})
    trained = build_detector(recipe.model, ["one"], pretrained=True).backbone
    random = build_detector(recipe.model, ["one"], pretrained=False).backbone
    statistics = "features.0.1.running_var"
    assert trained.weights.state_dict()[statistics].std() > 1
    assert random.weights.state_dict()[statistics].std() == 0
