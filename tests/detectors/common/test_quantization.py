"""Fake quantisation of whole detectors: what each convolution sees, and what survives a file."""

from collections import Counter
from copy import deepcopy

import pytest
import torch
from torch import nn

from singleshot.checkpoints.checkpoint import Checkpoint, detector_from
from singleshot.detectors.common.fake_quantization import observing_ranges
from singleshot.detectors.common.quantization import (
    fix_scales,
    is_quantized,
    remove_quantization,
)
from singleshot.errors import RecipeError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe

NAMES = ["one", "two"]
QUANTIZED = {"model.quantization.weights": "per-channel"}


def recipe_of(name, **more):
    return load_recipe(name, {**QUANTIZED, **more})


def quantized(recipe):
    """A detector with random weights, and ranges from two random images."""
    torch.manual_seed(0)
    detector = build_detector(recipe.model, NAMES, pretrained=False)
    with observing_ranges(detector), torch.no_grad():
        detector(torch.randint(256, (2, 3, *recipe.model.input), dtype=torch.uint8))
    return detector


@pytest.fixture(scope="module")
def image():
    return torch.randint(256, (1, 3, 96, 96), dtype=torch.uint8)


@pytest.fixture(scope="module")
def recipe():
    return recipe_of("ssdlite320-lite0", **{"model.input": [96, 96]})


@pytest.fixture(scope="module")
def detector(recipe):
    return quantized(recipe)


def most_values(detector, images):
    """The most different values in the input of a convolution, in its weights, in an output."""
    inputs, outputs, weights = {}, {}, {}
    names = {module: name for name, module in detector.named_modules()}

    def record(module, arguments, output):
        name = names[module]
        inputs[name] = arguments[0].unique().numel()
        weights[name] = max(row.unique().numel() for row in module.weight)
        outputs[name] = output

    convolutions = [module for module in names if isinstance(module, nn.Conv2d)]
    for convolution in convolutions:
        convolution.register_forward_hook(record)
    with torch.no_grad():
        raw = detector(images)
    assert len(inputs) == len(convolutions)
    last = [head[-1] if isinstance(head, nn.Sequential) else head for head in detector.heads.logits]
    of_heads = max(outputs[names[head]].unique().numel() for head in last)
    return max(inputs.values()), max(weights.values()), of_heads, raw


@pytest.mark.parametrize("name", ["ssdlite320-lite0", "ssdlite320-mobilenet-v3"])
def test_all_that_a_convolution_sees_and_returns_has_8_bits(name):
    recipe = recipe_of(name)
    detector = quantized(recipe)
    image = torch.randint(256, (1, 3, *recipe.model.input), dtype=torch.uint8)
    in_inputs, in_weights, in_outputs, raw = most_values(deepcopy(detector), image)
    assert 2 < in_inputs <= 256
    assert 2 < in_weights <= 255
    assert 2 < in_outputs <= 256
    assert not [m for m in detector.modules() if isinstance(m, nn.BatchNorm2d)]
    plain = deepcopy(detector)
    remove_quantization(plain)
    with torch.no_grad():
        for ours, theirs in zip(raw, plain(image), strict=True):
            assert 0 < (ours - theirs).square().mean() < 0.1 * theirs.square().mean()


def test_a_checkpoint_rebuilds_it(detector, recipe, image, tmp_path):
    Checkpoint(detector.state_dict(), recipe, tuple(NAMES), {}).save(tmp_path / "one.safetensors")
    loaded = detector_from(Checkpoint.load(tmp_path / "one.safetensors"), "one")
    assert loaded.settings.quantization is not None
    with torch.no_grad():
        for ours, theirs in zip(detector(image), loaded(image), strict=True):
            assert torch.equal(ours, theirs)


def test_fixed_scales_change_nothing(detector, image):
    fixed = deepcopy(detector)
    fix_scales(fixed)
    with torch.no_grad():
        for ours, theirs in zip(detector(image), fixed(image), strict=True):
            assert torch.equal(ours, theirs)


def test_without_it_batch_norm_stays_folded_and_weights_stay_rounded(detector):
    plain = deepcopy(detector)
    remove_quantization(plain)
    assert is_quantized(detector)
    assert not is_quantized(plain)
    assert all(m.bias is not None for m in plain.modules() if isinstance(m, nn.Conv2d))
    kernels = [m.weight for m in plain.modules() if isinstance(m, nn.Conv2d)]
    assert max(row.unique().numel() for kernel in kernels for row in kernel) <= 255


def test_weights_biases_and_scales_learn_through_it(detector, image):
    learning = deepcopy(detector).train()
    sum(output.square().mean() for output in learning(image)).backward()
    without = [
        name for name, p in learning.named_parameters() if p.requires_grad and p.grad is None
    ]
    assert without == []
    biases = [name for name, p in learning.named_parameters() if name.endswith("bias")]
    assert len(biases) == sum(isinstance(m, nn.Conv2d) for m in learning.modules())


def test_l2_norm_and_pooling_are_of_rounded_values():
    """Rounded are: the image, each ReLU, L2Norm's result and what the heads return."""
    detector = build_detector(recipe_of("ssd300-vgg16").model, NAMES, pretrained=False)
    names = [name.rpartition(".") for name, _ in detector.named_modules()]
    at_input = [layer for layer, _, end in names if end == "input_quantizer"]
    assert at_input == ["backbone.features.0"]
    rounded = [layer for layer, _, end in names if end == "output_quantizer"]
    kinds = Counter(type(detector.get_submodule(layer)).__name__ for layer in rounded)
    assert kinds == {"ReLU": 23, "RoundedConv2d": 12, "L2Norm": 1}


def test_a_detector_of_changing_operations_is_refused():
    with pytest.raises(RecipeError, match="'localizer' does not run"):
        build_detector(recipe_of("localizer").model, NAMES, pretrained=False)
