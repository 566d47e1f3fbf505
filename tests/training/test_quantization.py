"""Runs with `--quantize`: their recipe, their start, what is saved, resuming."""

import pytest
import torch
from callbacks import Recorder
from cells import make_cells

import singleshot
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.common.quantization import is_quantized
from singleshot.errors import SingleshotError
from singleshot.recipes.load import load_recipe
from singleshot.training.options import TrainingOptions
from singleshot.training.quantization import quantization_overrides

OVERRIDES = {
    "training.batch_size": 3,
    "model.input": [96, 128],
    "model.backbone.name": "mobilenetv3_small_050",
    "model.backbone.weights": "none",
    "model.backbone.frozen_stride": 0,
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


@pytest.fixture(scope="module")
def begun(cells, tmp_path_factory):
    """A run to start from."""
    run = tmp_path_factory.mktemp("runs") / "begun"
    overrides = {**OVERRIDES, "training.epochs": 1, "training.precision": "float32"}
    singleshot.train("ssdlite320-lite0", cells, val_split="none", run=run, overrides=overrides)
    return run


@pytest.fixture(scope="module")
def quantized(cells, begun, tmp_path_factory):
    """A run that fine-tunes it."""
    run = tmp_path_factory.mktemp("runs") / "quantized"
    singleshot.train(begun, cells, run=run, init=begun, quantize=True, epochs=2)
    return run


def test_a_hundredth_of_the_rate_for_a_few_epochs_unless_given():
    recipe = load_recipe("ssdlite320-lite0")
    changed = load_recipe("ssdlite320-lite0", quantization_overrides(recipe, {}))
    assert changed.training.learning_rate == pytest.approx(0.01 * recipe.training.learning_rate)
    assert (changed.training.epochs, changed.training.average_decay) == (5, 0)
    started = load_recipe("ssdlite320-lite0", quantization_overrides(recipe, {}), start="detector")
    assert started.training == changed.training
    assert changed.training.frozen_parts == ("batch_norm",)
    assert changed.model.quantization is not None
    given = {"training.steps": 7, "model.quantization.weights": "per-tensor"}
    other = load_recipe("ssdlite320-lite0", quantization_overrides(recipe, given))
    assert (other.training.steps, other.training.epochs) == (7, None)
    assert other.model.quantization.weights == "per-tensor"


def test_the_saved_weights_are_of_a_quantized_detector(quantized, begun):
    checkpoint = Checkpoint.load(quantized / "checkpoints" / "last.safetensors")
    assert checkpoint.recipe.model.quantization is not None
    assert checkpoint.recipe.training.precision == "float32"
    ranges = [tensor for name, tensor in checkpoint.weights.items() if name.endswith(".range")]
    assert all(low <= 0 <= high and low < high for low, high in ranges)
    assert is_quantized(singleshot.load(quantized))
    assert not is_quantized(singleshot.load(begun))


def test_it_starts_from_the_detector_with_its_batch_norm_folded(cells, begun, tmp_path):
    """With ranges from images: nothing is trained, and outputs are those of the start, rounded."""
    run = tmp_path / "run"
    overrides = {"training.steps": 1, "training.learning_rate": 1e-12}
    singleshot.train(begun, cells, run=run, init=begun, quantize=True, overrides=overrides)
    before, after = singleshot.load(begun), singleshot.load(run)
    image = torch.randint(256, (1, 3, 96, 128), dtype=torch.uint8)
    with torch.no_grad():
        for ours, theirs in zip(after(image), before(image), strict=True):
            error = (ours - theirs).square().mean() / theirs.square().mean()
            assert 0 < error < 0.05


def test_a_quantized_run_is_a_start_for_another(cells, quantized, tmp_path):
    recorder, run = Recorder(), tmp_path / "run"
    options = {"init": quantized, "quantize": True, "callback": recorder}
    singleshot.train(quantized, cells, run=run, overrides={"training.steps": 1}, **options)
    (transfer,) = [text for text in recorder.messages if "carried over" in text]
    carried, _, total = transfer.partition(": ")[2].partition(" tensors")[0].split(" ")
    assert carried == total


def test_interrupted_and_resumed_by_its_folder_is_as_if_never_interrupted(
    cells, begun, quantized, tmp_path
):
    run = tmp_path / "run"
    options = {"init": begun, "quantize": True, "epochs": 2, "callback": Recorder(after=3)}
    assert singleshot.train(begun, cells, run=run, **options).interrupted
    assert not singleshot.train(run, resume=True).interrupted
    last = "checkpoints/last.safetensors"
    ours, theirs = (Checkpoint.load(folder / last).weights for folder in (run, quantized))
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []


def test_it_needs_a_detector(cells):
    with pytest.raises(SingleshotError, match="give it to --init"):
        TrainingOptions(cells, quantize=True)
