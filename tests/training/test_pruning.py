"""Pruning: which channels go, what stays the same, and runs that start from what is left."""

import pytest
import torch
from callbacks import Recorder
from cells import make_cells
from small import TINY

import singleshot
from singleshot.checkpoints.checkpoint import Checkpoint, detector_from
from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.errors import ModelError, SingleshotError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.training.options import TrainingOptions
from singleshot.training.pruning import prune

NAMES = ("one", "two")
NARROW = [8] * 7 + [16] * 6 + [32, 32]
VGG = {"model.backbone.channels": NARROW}
WIDE = {  # convolution: what reads its channels
    "features.17": ["features.19"],
    "features.19": ["features.21"],
    "features.21": ["features.24", "rescale", "heads.offsets.0", "heads.logits.0"],
    "features.24": ["features.26"],
    "features.26": ["features.28"],
    "features.28": ["fc.1"],
    "fc.1": ["fc.3"],
    "fc.3": ["heads.offsets.1", "heads.logits.1", "pyramid.extra.0.0"],
}


def start_from_random(recipe_name, overrides):
    torch.manual_seed(0)
    recipe = load_recipe(recipe_name, overrides)
    detector = build_detector(recipe.model, NAMES, pretrained=False)
    for name, parameter in detector.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    weights = {key: tensor.detach().clone() for key, tensor in detector.state_dict().items()}
    return TrainedDetector(Checkpoint(weights, recipe, NAMES, {}), "start")


def full_name(layer):
    return layer if layer.startswith(("heads", "pyramid")) else f"backbone.{layer}"


@pytest.fixture(scope="module")
def start():
    """An SSD300 of few channels; in its wide layers every second one is 0."""
    start = start_from_random("ssd300-vgg16", VGG)
    for layer in WIDE:
        for kind in ("weight", "bias"):
            start.checkpoint.weights[f"backbone.{layer}.{kind}"][1::2] = 0
    return start


@pytest.fixture(scope="module")
def pruned(start):
    return prune(start, 0.5)


def test_pruning_channels_of_zeros_changes_no_output(start, pruned):
    whole = detector_from(start.checkpoint, "whole")
    smaller = detector_from(pruned.detector.checkpoint, "pruned")
    image = torch.randint(256, (1, 3, 300, 300), dtype=torch.uint8)
    with torch.no_grad():
        for ours, theirs in zip(smaller(image), whole(image), strict=True):
            torch.testing.assert_close(ours, theirs)
            assert ours.std() > 0


def test_the_recipe_describes_what_is_left(pruned):
    kept = (*(8,) * 13, 16, 16)
    assert pruned.detector.checkpoint.recipe.model.backbone.channels == kept
    assert pruned.overrides == {"model.backbone.channels": kept}
    assert "parameters, from" in pruned.summary


@pytest.mark.parametrize(("layer", "readers"), WIDE.items())
def test_the_same_channels_go_from_a_layer_and_from_those_that_read_it(
    start, pruned, layer, readers
):
    before, after = start.checkpoint.weights, pruned.detector.checkpoint.weights
    name = f"backbone.{layer}.bias"
    assert torch.equal(after[name], before[name][::2])
    for reader in map(full_name, readers):
        if reader.endswith("rescale"):
            assert len(after[f"{reader}.scale"]) == 8
        else:
            assert after[f"{reader}.weight"].shape[1] == before[f"{reader}.weight"].shape[1] / 2


def test_narrow_layers_stay(start, pruned):
    before, after = start.checkpoint.weights, pruned.detector.checkpoint.weights
    assert torch.equal(before["backbone.features.14.weight"], after["backbone.features.14.weight"])
    assert torch.equal(before["pyramid.extra.0.2.weight"], after["pyramid.extra.0.2.weight"])


def test_the_channels_with_the_largest_weights_stay_in_order():
    start = start_from_random("ssd300-vgg16", VGG)
    kernels = start.checkpoint.weights["backbone.fc.3.weight"]
    kernels *= torch.tensor([9.0, 1, 8, 2, 7, 3, 6, 4]).repeat(4)[:, None, None, None]
    bias = start.checkpoint.weights["backbone.fc.3.bias"]
    largest = kernels.abs().sum(dim=(1, 2, 3)).argsort(descending=True)[:24].sort().values
    weights = prune(start, 0.25).detector.checkpoint.weights
    assert torch.equal(weights["backbone.fc.3.bias"], bias[largest])


@pytest.fixture(scope="module")
def row():
    """A backbone of two convolutions, one after the other."""
    layers = [
        {**layer, "channels": 32} if "channels" in layer else layer for layer in TINY["layers"]
    ]
    return {"model.backbone": {**TINY, "layers": layers}}


def test_a_network_of_layers_in_a_row_can_be_pruned(row):
    levels = {
        "model.input": [96, 96],
        "model.priors.sizes_unit": [0.1, 0.3, 0.5, 0.7, 1],
        "model.priors.aspect_ratios": [[2]] * 4,
    }
    left = prune(start_from_random("ssdlite320-lite0", {**row, **levels}), 0.75).detector.checkpoint
    assert left.weights["backbone.layers.conv2.weight"].shape[:2] == (8, 8)
    detector_from(left, "left")


def test_channels_that_sums_tie_are_refused():
    with pytest.raises(ModelError, match="are tied"):
        prune(start_from_random("ssdlite320-lite0", {}), 0.5)


def test_channels_in_a_fully_connected_layer_are_refused(row):
    small = {"model.fully_connected": [16], "model.pooled": 2, **row}
    with pytest.raises(ModelError, match=r"in a dimension of 128"):
        prune(start_from_random("faster-rcnn-vgg16", small), 0.5)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


@pytest.fixture(scope="module")
def run(start, tmp_path_factory):
    """The start as a run."""
    path = tmp_path_factory.mktemp("runs") / "start.safetensors"
    start.checkpoint.save(path)
    return path


def test_a_run_fine_tunes_what_is_left_and_resumes(cells, run, tmp_path):
    recorder = Recorder(after=1)
    overrides = {"training.steps": 2, "training.batch_size": 2}
    options = {"init": run, "prune": 0.5, "val_split": "none", "callback": recorder}
    folder = tmp_path / "run"
    base = tmp_path / "narrow.toml"
    base.write_text(f'based_on = "ssd300-vgg16"\n[model.backbone]\nchannels = {NARROW}\n')
    assert singleshot.train(base, cells, run=folder, overrides=overrides, **options).interrupted
    assert any(text.startswith("pruned from ") for text in recorder.messages)
    assert not singleshot.train(folder, resume=True).interrupted
    detector = singleshot.load(folder)
    assert detector.settings.backbone.channels == (*(8,) * 13, 16, 16)


def test_what_cannot_be_pruned_is_refused(cells, run):
    with pytest.raises(SingleshotError, match="give it to --init"):
        TrainingOptions(cells, prune=0.5)
    with pytest.raises(SingleshotError, match="expected a share"):
        TrainingOptions(cells, init=run, prune=50)
