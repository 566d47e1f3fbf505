"""Recipes that depend on the detector to start from: what options add, and what is refused."""

import pytest
import torch

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.errors import SingleshotError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.training.options import TrainingOptions
from singleshot.training.starting_recipe import StartingRecipe

NARROW = [8] * 7 + [16] * 6 + [32, 32]


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """A checkpoint of an SSD300 of few channels."""
    recipe = load_recipe("ssd300-vgg16", {"model.backbone.channels": NARROW})
    weights = build_detector(recipe.model, ["one"], pretrained=False).state_dict()
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    Checkpoint(weights, recipe, ("one",), {}).save(path)
    return path


def test_pruning_and_quantization_change_the_recipe_and_what_is_given_goes_before(vgg):
    given = ["training.average_decay=0.5"]
    options = TrainingOptions("cells", init=vgg, prune=0.5, quantize=True, overrides=given)
    starting = StartingRecipe.of("ssd300-vgg16", options)
    assert starting.plain.model.backbone.channels == (*(8,) * 13, 16, 16)
    assert starting.detector.checkpoint.recipe.model.backbone == starting.plain.model.backbone
    assert starting.plain.model.quantization is not None
    assert starting.plain.training.average_decay == 0.5
    messages = []
    assert starting.fine_tuned(messages.append, known=True) == starting.plain
    assert messages[0].startswith("pruned from ")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"quantize": True}, "--quantize fine-tunes a detector; .*classifier.pth is none"),
        ({"prune": 0.5}, "--prune removes channels of a detector; .*classifier.pth is none"),
        ({"class_map": ["a=b"]}, "--class-map names classes of a detector; .* is none"),
    ],
)
def test_options_of_detectors_are_refused_for_a_classifier(tmp_path, option, message):
    weights = tmp_path / "classifier.pth"
    torch.save({"some.weight": torch.zeros(3)}, weights)
    options = TrainingOptions("cells", init=weights, **option)
    with pytest.raises(SingleshotError, match=message):
        StartingRecipe.of("ssdlite320-lite0", options)


def test_a_recipe_with_another_backbone_cannot_be_pruned(vgg):
    options = TrainingOptions("cells", init=vgg, prune=0.5)
    with pytest.raises(SingleshotError, match=r"is vgg16-reduced, and that of the recipe tf_eff"):
        StartingRecipe.of("ssdlite320-lite0", options)
