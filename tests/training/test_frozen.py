"""DSSD's two stages: what learns in each, and what does not."""

import pytest
import torch
from cells import make_cells
from tiny import tiny
from torch import nn

import singleshot
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.errors import RecipeError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Truth
from singleshot.training.frozen import freeze, set_training_mode
from singleshot.training.optimizers import build_optimizer

PARTS = ("backbone.", "pyramid.extra.", "pyramid.top_down.", "heads.")


def changed_by_a_step(name):
    """The detector of a recipe, and the names of its tensors that one step changes."""
    recipe = load_recipe(name, tiny(name))
    torch.manual_seed(0)
    model = build_detector(recipe.model, ["one", "two"], pretrained=False)
    freeze(model, recipe.training.frozen)
    optimizer = build_optimizer(model, recipe.training)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    set_training_mode(model, recipe.training.frozen)
    truth = Truth.of(torch.tensor([[30.0, 40, 200, 250]]), torch.tensor([1]))
    images = torch.randint(256, (2, 3, *recipe.model.input), dtype=torch.uint8)
    model.losses(Batch(images, (truth, truth), ("a", "b"))).total.backward()
    optimizer.step()
    after = model.state_dict()
    return model, {key for key, tensor in before.items() if not torch.equal(tensor, after[key])}


def of_batch_norm(model):
    """Names of all statistics, scales and shifts."""
    norms = [name for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    return {key for key in model.state_dict() if key.rpartition(".")[0] in norms}


@pytest.fixture(scope="module")
def first_stage():
    return changed_by_a_step("dssd321-resnet101")


@pytest.fixture(scope="module")
def second_stage():
    return changed_by_a_step("dssd321-resnet101-stage2")


def test_the_first_stage_changes_deconvolutions_and_heads_alone(first_stage):
    _, changed = first_stage
    assert {next(p for p in PARTS if key.startswith(p)) for key in changed} == {
        "pyramid.top_down.",
        "heads.",
    }


def test_the_first_stage_learns_new_statistics_where_it_learns(first_stage):
    model, changed = first_stage
    statistics = {key for key in of_batch_norm(model) if "running_mean" in key}
    learned = {key for key in statistics if key.startswith(("pyramid.top_down.", "heads."))}
    assert learned <= changed
    assert not (statistics - learned) & changed


def test_the_second_stage_changes_all_parts_but_no_batch_norm(second_stage):
    model, changed = second_stage
    assert {next(p for p in PARTS if key.startswith(p)) for key in changed} == set(PARTS)
    assert not changed & of_batch_norm(model)


def test_the_second_stage_learns_at_a_tenth_of_the_rate():
    first, second = (load_recipe(f"dssd321-resnet101{stage}").training for stage in ("", "-stage2"))
    assert second.learning_rate == pytest.approx(0.1 * first.learning_rate)
    assert (first.steps, second.steps) == (30_000, 40_000)


def test_dssd_takes_the_whole_of_ssd_and_the_second_stage_all_of_the_first():
    ssd, first, second = (
        load_recipe(name, tiny(name))
        for name in ("ssd321-resnet101", "dssd321-resnet101", "dssd321-resnet101-stage2")
    )
    weights = build_detector(ssd.model, ["one"], pretrained=False).state_dict()
    model = build_detector(first.model, ["one"], pretrained=False)
    TrainedDetector(Checkpoint(weights, ssd, ("one",), {}), "ssd").transfer_to(model)
    begun = model.state_dict()
    kept = [key for key in weights if key.startswith(("backbone.", "pyramid."))]
    assert kept
    assert all(torch.equal(begun[key], weights[key]) for key in kept)
    last = build_detector(second.model, ["one"], pretrained=False)
    found = TrainedDetector(Checkpoint(begun, first, ("one",), {}), "dssd").transfer_to(last)
    assert found.new == ()
    assert found.carried == found.tensors


def test_a_training_keeps_its_frozen_parts(tmp_path):
    overrides = {
        "model.input": [96, 128],
        "training.steps": 1,
        "training.batch_size": 3,
        "training.precision": "float32",
        "training.average_decay": 0.0,
        "training.frozen": ["backbone", "extra"],
    }
    cells = make_cells(tmp_path / "cells")
    run = singleshot.train("ssdlite320-lite0", cells, run=tmp_path / "run", overrides=overrides)
    recipe = load_recipe("ssdlite320-lite0", overrides)
    learned = Checkpoint.load(run.checkpoint)
    torch.manual_seed(recipe.training.seed)
    start = build_detector(recipe.model, learned.class_names, pretrained=True).state_dict()
    changed = {
        key for key, tensor in start.items() if not torch.equal(tensor, learned.weights[key])
    }
    assert {next(p for p in PARTS if key.startswith(p)) for key in changed} == {
        "pyramid.top_down.",
        "heads.",
    }


@pytest.mark.parametrize("top_down", [96, 0])
def test_something_must_learn(top_down):
    everything = ["backbone", "extra", *(["top_down"] if top_down else []), "heads"]
    overrides = {"model.input": [96, 128], "model.pyramid.top_down": top_down}
    recipe = load_recipe("ssdlite320-lite0", overrides)
    detector = build_detector(recipe.model, ["one"], pretrained=False)
    with pytest.raises(RecipeError, match="no parameters are left to train"):
        freeze(detector, everything)


def test_a_part_that_is_not_there_is_refused_with_those_that_are():
    recipe = load_recipe("ssdlite320-lite0", {"model.input": [96, 128]})
    detector = build_detector(recipe.model, ["one"], pretrained=False)
    words = r"no part 'neck', but backbone, extra, top_down, heads, batch_norm"
    with pytest.raises(RecipeError, match=words):
        freeze(detector, ["neck"])
