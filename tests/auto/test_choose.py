"""A whole recipe: a reason for each key, the same each time, within limits and what is given."""

# Tests singleshot/auto/choice.py, singleshot/auto/limits.py, singleshot/auto/start.py
# Tests singleshot/auto/result_rules.py

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tasks import start, task

from singleshot.auto import constants
from singleshot.auto import limits as measuring
from singleshot.auto.choose import choose_recipe
from singleshot.auto.limits import Limits, MeasurementSetup
from singleshot.auto.start import BaseRecipe, base_content
from singleshot.auto.task import LearningRate
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.errors import RecipeError, SingleshotError
from singleshot.families import build_detector
from singleshot.models.pretrained import list_pretrained
from singleshot.models.summary import count_macs
from singleshot.recipes.load import load_recipe

SETUP = MeasurementSetup(("cat",), torch.zeros(3, 48, 64, dtype=torch.uint8), torch.device("cpu"))


def choose(limits=None, base=None, **changes):
    return choose_recipe(task(**changes), base or base_content(None), limits or Limits(), SETUP)


def given_keys(chosen):
    return {choice.key for choice in chosen.choices if choice.is_given}


def test_every_choice_is_in_the_recipe_and_the_same_each_time():
    chosen = choose(seconds=600.0)
    assert chosen == choose(seconds=600.0)
    dumped = chosen.recipe.model_dump(mode="json")
    for choice in chosen.choices:
        value = dumped
        for part in choice.key.split("."):
            value = value[part]
        assert value == choice.value
        assert len(choice.reason) > 10
    assert not given_keys(chosen)


def test_what_is_given_is_not_chosen_and_decides_on_the_others():
    given = {"model.input": [160, 640], "training.epochs": 5, "training.seed": 3}
    chosen = choose(given=given)
    assert given_keys(chosen) == set(given)
    assert str(chosen.choices[0]) == "model.input = [160, 640]: given"
    assert chosen.recipe.model.input == (160, 640)
    assert chosen.recipe.training.seed == 3
    # Five epochs of 300 images are few steps.
    assert chosen.recipe.augmentation.crop.probability == 0.5
    assert chosen.recipe.training.validate_every == 1


def test_the_side_of_large_images_follows_from_a_given_input_and_may_be_given():
    large = {"image_sizes": np.tile([3000, 4000], (9, 1))}
    chosen = choose(given={"model.input": [160, 224]}, **large)
    assert chosen.recipe.training.cache_side == 336  # twice the 224 columns, of 4000
    for given in (0, 500):
        chosen = choose(given={"training.cache_side": given}, **large)
        assert chosen.recipe.training.cache_side == given
        assert f"cache_side = {given}: given" in "\n".join(map(str, chosen.choices))
    assert choose().recipe.training.cache_side == 0


def test_given_steps_take_the_place_of_epochs():
    training = choose(given={"training.steps": 30}).recipe.training
    assert (training.steps, training.epochs) == (30, None)


def test_given_priors_or_levels_are_left_alone_together():
    shapes = [[[0.1, 0.1]]] * 6
    own = {"model.priors.shapes_unit": shapes, "model.priors.sizes_unit": []}
    chosen = choose(given={**own, "model.priors.aspect_ratios": []})
    assert chosen.recipe.model.priors.shapes_unit[0] == ((0.1, 0.1),)
    four = choose(given={"model.backbone.strides": [4, 8, 16, 32]}).recipe.model
    assert four.priors.num_levels == 7


def test_given_priors_keep_the_levels_that_they_are_for():
    tiny = {"sides": np.full(100, 1 / 30), "seconds": 600.0}
    assert len(choose(**tiny).recipe.model.backbone.strides) == 4
    own = {"model.priors.sizes_unit": [0.05, 0.1, 0.3, 0.5, 0.7, 0.85, 1.0]}
    model = choose(given=own, **tiny).recipe.model
    assert model.backbone.strides == (8, 16, 32)
    assert model.priors.sizes_unit[:2] == (0.05, 0.1)
    levels = choose(given={"model.priors.strides": [8, 16, 32, 64, 107, 320]}, **tiny).recipe.model
    assert levels.backbone.strides == (8, 16, 32)
    assert levels.priors.sizes_unit[0] < 0.075
    # Another key of the table is none of the choices.
    chosen = choose(given={"model.priors.clip": "corners"}, **tiny).recipe.model
    assert chosen.priors.clip == "corners"
    assert chosen.priors.num_levels == 7
    build_detector(chosen, ["cat"], pretrained=False)


def test_a_data_set_of_many_more_images_than_there_is_time_for_is_a_short_training():
    chosen = choose(seconds=420.0, num_images=100_000)
    assert chosen.recipe.augmentation.crop.probability == 0.5
    assert chosen.recipe.training.average_decay == 0.995
    assert chosen.recipe.training.epochs == 1
    # What fits decides, whatever number of epochs is given.
    given = choose(seconds=420.0, num_images=100_000, given={"training.epochs": 50})
    assert given.recipe.augmentation == chosen.recipe.augmentation


def test_the_rate_for_the_largest_batch_is_scaled_from_the_recipes_batch_once():
    given = {"training.batch_size": 8, "training.largest_batch": True}
    for device in ("cpu", "gpu"):
        chosen = choose(given=given, device=device, num_images=10_000)
        assert chosen.recipe.training.learning_rate == 0.003


def test_another_network_or_many_classes_count_with_their_own_multiply_adds():
    given = {"model.backbone.name": "resnet50", "model.backbone.weights": "none"}
    usual, larger = choose(seconds=420.0), choose(seconds=420.0, given=given)
    assert larger.recipe.training.epochs < 0.5 * usual.recipe.training.epochs
    assert math.prod(larger.recipe.model.input) < math.prod(usual.recipe.model.input)
    many = replace(SETUP, class_names=tuple(map(str, range(5000))))
    base = base_content(None)
    of_many = choose_recipe(task(seconds=420.0), base, Limits(), many)
    assert of_many.recipe.training.epochs < usual.recipe.training.epochs


def test_crowded_images_keep_more_detections():
    results = choose(most_objects=300).recipe.model.results
    assert (results.keep, results.top_k) == (600, 1200)
    usual = load_recipe(constants.BASE).model.results
    assert choose(most_objects=100).recipe.model.results == usual
    # A start that keeps more already is left as it is.
    own = load_recipe("ssdlite320-lite0", {"model.results.keep": 1000, "model.results.top_k": 3000})
    content = own.model_dump(mode="json", exclude_none=True)
    begun = start(model=own.model, knows_classes=True)
    kept = choose(base=content, start=begun, most_objects=300).recipe.model.results
    assert (kept.keep, kept.top_k) == (1000, 3000)
    more = choose(base=content, start=begun, most_objects=600).recipe.model.results
    assert (more.keep, more.top_k) == (1200, 3000)
    given = choose(most_objects=300, given={"model.results.keep": 250}).recipe.model.results
    assert (given.keep, given.top_k) == (250, usual.top_k)


def test_an_impossible_value_is_refused_with_its_key():
    with pytest.raises(RecipeError, match=r"training\.epochs = 0: expected at least 1"):
        choose(given={"training.epochs": 0})


def test_multiply_adds_are_bounded():
    free, bounded = choose(), choose(Limits(gmac=0.3))
    height, width = bounded.recipe.model.input
    assert height * width < 0.5 * np.prod(free.recipe.model.input)
    detector = build_detector(bounded.recipe.model, ["cat"], pretrained=False)
    assert 0.2e9 < count_macs(detector) <= 0.3e9
    assert "--max-gmac 0.3 allows no larger one" in bounded.choices[0].reason


def test_a_limit_of_time_is_measured(monkeypatch):
    def proportional(detector, _image):
        height, width = detector.settings.input
        return height * width / (320 * 320) * 0.040

    monkeypatch.setattr(measuring, "seconds_per_image", proportional)
    bounded = choose(Limits(latency=0.020))
    height, width = bounded.recipe.model.input
    assert 0.3 < height * width / (320 * 320) <= 0.5
    assert "--max-latency 20ms allows no larger one" in bounded.choices[0].reason


def test_limits_that_nothing_keeps_are_refused():
    with pytest.raises(SingleshotError, match=r"--max-gmac 0\.001: with an input of .* allow more"):
        choose(Limits(gmac=0.001))
    with pytest.raises(SingleshotError, match=r"it is 0\.\d\d GMAC; leave out --input"):
        choose(Limits(gmac=0.3), given={"model.input": [320, 320]})


def test_a_detector_to_start_from_is_suggested_where_none_is_given():
    assert constants.SUGGESTED_START in {model.name for model in list_pretrained()}
    suggested = "--init ssdlite320-coco, after singleshot models download ssdlite320-coco"
    assert suggested in "\n".join(choose().about)
    assert "start: runs/coco" in "\n".join(choose(start=start()).about)
    assert suggested not in "\n".join(choose(start=start()).about)


def test_a_start_is_changed_in_its_own_recipe():
    # What was chosen for the images that it was trained on is left out.
    own = {"model.input": [96, 128], "training.cache_side": 200, "training.cache": 0.0}
    own |= {"training.repeat_threshold": 0.5, "training.backbone_learning_rate": 0.1}
    own |= {"training.cache_folder": "/elsewhere", "training.average_decay": 0.9998}
    own |= {"training.validation_images": 500}
    recipe = load_recipe("ssdlite320-lite0", own)
    weights = build_detector(recipe.model, ["cat"], pretrained=False).state_dict()
    detector = TrainedDetector(Checkpoint(weights, recipe, ("cat",), {}), "runs/coco")
    base = BaseRecipe.of(detector, knows_classes=True)
    known = base.start
    key = "fine_tuning_known.training.learning_rate"
    assert known.rate == LearningRate(key, 0.0005, "sgd", batch_size=8)
    assert known.has_tables
    assert recipe.training.optimizer == "adamw"
    assert known.like_base
    assert 0.05e9 < known.macs < 0.15e9
    chosen = choose(base=base.content, start=known, image_sizes=np.tile([96, 128], (9, 1)))
    changed = load_recipe(chosen.content, start="known")
    assert changed.model == recipe.model
    assert (changed.training.cache, changed.training.cache_side) == (0.3, 0)
    assert (changed.training.repeat_threshold, changed.training.cache_folder) == (0.0, None)
    assert changed.training.backbone_learning_rate == 1.0
    assert changed.training.validation_images == 0
    assert changed.training.average_decay == 0.995
    assert changed.training.learning_rate == 0.0005
    assert changed.augmentation.expand.up_to == 2.0  # of its table of fine-tuning


def test_a_start_that_learns_new_classes_trains_with_what_is_chosen():
    base = load_recipe("ssdlite320-lite0", {"model.results.nms": "hard"})
    begun = start(model=base.model)
    content = base.model_dump(mode="json", exclude_none=True)
    changed = load_recipe(choose(base=content, start=begun).content, start="detector")
    assert (changed.training.optimizer, changed.training.learning_rate) == ("adamw", 0.001)
    assert changed.training.weight_decay == 0.05
    assert (changed.model.results.nms, changed.model.results.iou_threshold) == ("weighted", 0.55)
    given = {"training.weight_decay": 0.01, "model.results.iou_threshold": 0.4}
    kept = load_recipe(choose(base=content, start=begun, given=given).content, start="detector")
    assert (kept.training.optimizer, kept.training.weight_decay) == ("adamw", 0.01)
    assert (kept.model.results.nms, kept.model.results.iou_threshold) == ("hard", 0.4)
    known = choose(base=content, start=replace(begun, knows_classes=True))
    assert load_recipe(known.content, start="known").model.results.nms == "hard"


def test_another_key_of_a_table_does_not_undo_what_is_chosen_in_it():
    base = load_recipe("ssdlite320-lite0", {"model.results.nms": "hard"})
    content = base.model_dump(mode="json", exclude_none=True)
    given = {"model.results.score_threshold": 0.1}
    results = choose(base=content, start=start(model=base.model), given=given).recipe.model.results
    assert (results.nms, results.score_threshold) == ("weighted", 0.1)


def test_a_weight_decay_for_a_start_is_given_in_place_of_the_chosen_one():
    given = {"training.weight_decay": 0.01}
    content = load_recipe("ssdlite320-lite0").model_dump(mode="json", exclude_none=True)
    chosen = choose(base=content, start=start(), given=given)
    lines = [str(choice) for choice in chosen.choices if "weight_decay" in choice.key]
    assert lines == ["training.weight_decay = 0.01: given"]
    assert load_recipe(chosen.content, start="detector").training.weight_decay == 0.01


def test_priors_of_a_start_stay_as_large_in_an_input_of_another_shape():
    own = load_recipe("ssdlite320-lite0")
    content = own.model_dump(mode="json", exclude_none=True)
    begun = start(model=own.model)
    model = choose(base=content, start=begun, image_sizes=np.tile([360, 640], (9, 1))).recipe.model
    height, width = model.input
    assert width > 1.3 * height
    for size, before in zip(model.priors.sizes_unit, own.model.priors.sizes_unit, strict=True):
        part = size * min(height, width) / math.sqrt(height * width)
        assert part == pytest.approx(before, abs=0.001)
    same = choose(base=content, start=begun, image_sizes=np.tile([640, 640], (9, 1))).recipe.model
    assert same.priors == own.model.priors


def untrained_start(name, **changes):
    """A detector of random weights for one class."""
    recipe = load_recipe(name, {"model.input": [96, 128], **changes})
    weights = build_detector(recipe.model, ["cat"], pretrained=False).state_dict()
    return TrainedDetector(Checkpoint(weights, recipe, ("cat",), {}), "runs/coarse")


COARSE = "ssdlite320-mobilenet-v3"  # whose finest level has a stride of 16


def test_a_start_without_fine_levels_gives_its_backbone_to_new_classes():
    detector = untrained_start(COARSE)
    base = BaseRecipe.of(detector, knows_classes=False)
    chosen = choose(base=base.content, start=base.start, seconds=600.0)
    assert "; its backbone alone, as it has no level of stride 8" in "\n".join(chosen.about)
    recipe = load_recipe(chosen.content, start="detector")
    own, model = detector.checkpoint.recipe.model, recipe.model
    assert model.pyramid == load_recipe(constants.BASE).model.pyramid
    assert model.pixels == own.pixels
    # The layers before those that halve, as the two of its own recipe are.
    assert model.backbone.nodes == ("features.7.block.0", *own.backbone.nodes)
    assert recipe.training.optimizer == "adamw"
    assert (recipe.training.learning_rate, recipe.training.backbone_learning_rate) == (0.002, 0.15)
    trained = build_detector(model, ["dog"], pretrained=False)
    assert detector.transfer_to(trained).classes == {}
    backbone = {name for name in trained.state_dict() if name.startswith("backbone.")}
    weights = detector.checkpoint.weights
    assert all(torch.equal(trained.state_dict()[name], weights[name]) for name in backbone)
    assert count_macs(trained) == pytest.approx(
        base.start.macs * math.prod(model.input) / math.prod(base.start.model.input), rel=0.05
    )


def test_a_start_whose_levels_are_given_by_strides_has_one_of_stride_8_more():
    detector = untrained_start("ssd300-mobilenet-v1")
    base = BaseRecipe.of(detector, knows_classes=False)
    chosen = choose(base=base.content, start=base.start)
    model = chosen.recipe.model
    assert (detector.checkpoint.recipe.model.backbone.strides, model.backbone.strides) == (
        (16, 32),
        (8, 16, 32),
    )
    detector.transfer_to(build_detector(model, ["dog"], pretrained=False))


def test_tiny_objects_get_the_layer_of_stride_4_of_a_start():
    base = BaseRecipe.of(untrained_start(COARSE), knows_classes=False)
    given = {"model.input": [320, 320]}
    sides = np.full(100, 1 / 30)
    chosen = choose(base=base.content, start=base.start, sides=sides, given=given)
    nodes = list(chosen.recipe.model.backbone.nodes)
    assert nodes[:2] == ["features.4.block.0", "features.7.block.0"]
    levels = build_detector(chosen.recipe.model, ["cat"], pretrained=False).prior_layout().levels
    assert [level.stride for level in levels[:2]] == [(4, 4), (8, 8)]
    given |= {"model.backbone.nodes": nodes}
    again = choose(base=base.content, start=base.start, sides=sides, given=given)
    assert again.recipe.model == chosen.recipe.model


@pytest.mark.parametrize("given", [{"training.optimizer": "sgd"}, {"training.learning_rate": 0.01}])
def test_a_backbone_below_new_levels_learns_slower_at_a_given_rate_too(given):
    base = BaseRecipe.of(untrained_start(COARSE), knows_classes=False)
    chosen = choose(base=base.content, start=base.start, given=given)
    recipe = load_recipe(chosen.content, start="detector")
    assert recipe.training.backbone_learning_rate == 0.15
    assert recipe.training.optimizer == "sgd"
    assert recipe.training.learning_rate == given.get("training.learning_rate", 0.005)


@pytest.mark.parametrize(
    ("changes", "knows_classes"),
    [
        ({}, True),
        ({"model.quantization.weights": "per-channel"}, False),
        ({"model.backbone.nodes": ["features.7.block.0", "features.16"]}, False),
    ],
    ids=["it knows the classes", "it is quantized", "it has a level of stride 8"],
)
def test_any_other_start_keeps_its_levels(changes, knows_classes):
    detector = untrained_start(COARSE, **changes)
    base = BaseRecipe.of(detector, knows_classes=knows_classes)
    chosen = choose(base=base.content, start=base.start)
    own = detector.checkpoint.recipe.model
    assert chosen.recipe.model.pyramid == own.pyramid
    assert chosen.recipe.model.backbone == own.backbone
    assert chosen.recipe.model.quantization == own.quantization


def test_a_given_rate_goes_before_the_tables_of_a_start():
    base = load_recipe("ssdlite320-lite0").model_dump(mode="json", exclude_none=True)
    given = {"training.learning_rate": 0.001}
    chosen = choose(base=base, start=start(), given=given)
    assert load_recipe(chosen.content, start="detector").training.learning_rate == 0.001
    assert load_recipe(chosen.content, start="known").training.learning_rate == 0.001
