"""Raw outputs of every kind of head and pyramid, and a detector that stays as it was."""

from __future__ import annotations

import pytest
import torch
from small_ssd import small_recipe, small_ssd
from tiny import tiny

from singleshot.exporting.contracts import contract_network
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe

NEAR = {"atol": 1e-4, "rtol": 1e-4}
RECIPES = {
    "separable": small_recipe(),
    "plain": small_recipe(heads__block="plain", pyramid__block="plain"),
    "sigmoid": small_recipe(heads__scores="sigmoid"),
    "top-down": small_recipe(pyramid__top_down=8),
    "unused columns": small_recipe(heads__unused_columns=2),
    "dssd": load_recipe("dssd321-resnet101", tiny("dssd321-resnet101")),
}


@pytest.mark.parametrize("name", RECIPES)
def test_decoded_outputs_are_those_of_the_detector(name, random):
    detector = small_ssd(RECIPES[name])
    exportable = detector.exportable()
    pixels = torch.rand(1, 3, *exportable.input_size, generator=random) * 255
    with torch.no_grad():
        raw = contract_network(exportable, "raw", "float32")(pixels)
        boxes, scores = contract_network(exportable, "decoded", "float32")(pixels)
        offsets, logits = detector(pixels)
    half = len(raw) // 2
    joined = [one.permute(0, 2, 3, 1).flatten(1) for one in raw]
    torch.testing.assert_close(torch.cat(joined[:half], dim=1), offsets.flatten(1), **NEAR)
    torch.testing.assert_close(torch.cat(joined[half:], dim=1), logits.flatten(1), **NEAR)
    assert boxes.shape == (1, detector.num_boxes, 4)
    assert scores.shape == (1, detector.num_boxes, len(detector.class_names))
    if name == "sigmoid":
        torch.testing.assert_close(scores, logits.sigmoid())
    else:
        expected = logits.softmax(dim=-1)[..., 1 : 1 + len(detector.class_names)]
        torch.testing.assert_close(scores, expected)


def test_the_detector_is_left_as_it_was():
    detector = small_ssd().to(memory_format=torch.channels_last).train()
    strides = [parameter.stride() for parameter in detector.parameters()]
    weights = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    exportable = detector.exportable()
    for parameter in exportable.network.parameters():
        parameter.fill_(0)
    assert detector.training
    assert all(parameter.requires_grad for parameter in detector.parameters())
    assert [parameter.stride() for parameter in detector.parameters()] == strides
    for name, tensor in detector.state_dict().items():
        assert torch.equal(tensor, weights[name])


def test_the_copy_has_contiguous_weights():
    detector = small_ssd().to(memory_format=torch.channels_last)
    for parameter in detector.exportable().network.parameters():
        assert parameter.is_contiguous()


def test_other_families_have_nothing_to_export():
    recipe = load_recipe("localizer")
    detector = build_detector(recipe.model, ("a",), pretrained=False)
    assert detector.exportable() is None
