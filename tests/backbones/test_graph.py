# Tests singleshot/backbones/settings.py
# Tests singleshot/backbones/backbone.py
# Tests singleshot/backbones/initial.py

import pytest
import torch

from singleshot.backbones.graph import GraphBackbone
from singleshot.backbones.kinds import build_backbone
from singleshot.backbones.settings import ConvolutionLayer, GraphSettings, ReluLayer
from singleshot.errors import ModelError, RecipeError
from singleshot.recipes.load import load_recipe

CONV = {"operation": "convolution", "kernel": 3, "padding": 1}
LAYERS = [
    {"name": "conv", "input": "image", "channels": 4, "stride": 2, **CONV},
    {"name": "scale", "operation": "scale", "input": "conv"},
    {"name": "relu", "operation": "relu", "input": "scale"},
    {"name": "sum", "operation": "add", "inputs": ["relu", "conv"]},
    {"name": "norm", "operation": "l2_norm", "input": "sum"},
    {"name": "most", "operation": "max_pool", "input": "sum", "kernel": 2, "stride": 2},
    {"name": "mean", "operation": "average_pool", "input": "sum", "kernel": 2, "stride": 2},
    {"name": "both", "operation": "concat", "inputs": ["most", "mean"]},
]


def graph(layers=LAYERS, outputs=("norm", "both")):
    settings = {"kind": "graph", "name": "small", "layers": layers, "outputs": outputs}
    return build_backbone(GraphSettings.model_validate(settings), pretrained=True)


def test_it_computes_the_layers(random):
    backbone = graph()
    images = torch.rand(1, 3, 8, 12, generator=random)
    norm, both = backbone(images)
    convolved = backbone.layers["conv"](images)
    total = convolved.relu() + convolved
    torch.testing.assert_close(both[:, :4], torch.nn.functional.max_pool2d(total, 2))
    torch.testing.assert_close(both[:, 4:], torch.nn.functional.avg_pool2d(total, 2))
    torch.testing.assert_close(norm.norm(dim=1), torch.full((1, 4, 6), 20.0))
    assert backbone.channels == (4, 8)


@pytest.mark.parametrize(("ceil_mode", "cells"), [(True, 4), (False, 3)])
def test_pooling_may_count_a_last_window_beyond_the_map(ceil_mode, cells):
    pool = {"operation": "max_pool", "kernel": 2, "stride": 2, "ceil_mode": ceil_mode}
    backbone = graph([{"name": "pool", "input": "image", **pool}], ["pool"])
    assert backbone(torch.zeros(1, 3, 7, 7))[0].shape == (1, 3, cells, cells)


def test_two_numbers_are_down_and_across():
    layer = {**LAYERS[0], "kernel": (3, 1), "stride": (2, 1), "padding": (1, 0)}
    assert graph([layer], ["conv"])(torch.zeros(1, 3, 8, 12))[0].shape == (1, 4, 4, 12)


def test_weights_have_the_layers_names_and_learn():
    backbone = graph()
    assert list(backbone.state_dict()) == [
        "layers.conv.weight",
        "layers.conv.bias",
        "layers.scale.weight",
        "layers.scale.bias",
        "layers.norm.scale",
    ]
    sum(feature.sum() for feature in backbone(torch.rand(2, 3, 8, 8))).backward()
    assert backbone.layers["conv"].weight.grad.abs().max() > 0


def test_feature_maps_that_no_later_layer_takes_are_released():
    # The image after the convolution; the convolution and the ReLU after the sum.
    assert graph().spent[0] == ["image"]
    assert graph().spent[3] == ["relu", "conv"]


def test_a_sum_of_unequal_feature_maps_is_refused():
    layers = [LAYERS[0], {"name": "sum", "operation": "add", "inputs": ["conv", "image"]}]
    with pytest.raises(ModelError, match=r"'sum' adds feature maps of \[4, 3\] channels"):
        graph(layers, ["sum"])


def test_groups_must_divide_channels():
    with pytest.raises(ModelError, match="3 channels in and 4 out do not divide into 2 groups"):
        graph([{**LAYERS[0], "groups": 2}], ["conv"])


@pytest.mark.parametrize(
    ("layers", "outputs", "message"),
    [
        ([LAYERS[0], LAYERS[0]], ["conv"], "two layers are named 'conv'"),
        ([LAYERS[1]], ["scale"], "layer 'scale' has the input 'conv', which is not above"),
        ([LAYERS[0]], ["relu"], "outputs has 'relu', which is not a layer"),
        ([{**LAYERS[0], "name": "a.b"}], ["a.b"], "name"),
    ],
)
def test_a_recipe_without_a_valid_graph_is_refused(layers, outputs, message):
    table = {"kind": "graph", "name": "small", "layers": layers, "outputs": outputs}
    with pytest.raises(RecipeError, match=message):
        load_recipe("ssd300-vgg16", {"model.backbone": table})


def test_a_graph_needs_no_recipe():
    convolution = ConvolutionLayer(name="conv", input="image", channels=4, **CONV)
    relu = ReluLayer(operation="relu", name="relu", input="conv")
    backbone = GraphBackbone([convolution, relu], ["conv", "relu"])
    plain, positive = backbone(torch.randn(1, 3, 8, 8))
    assert backbone.channels == (4, 4)
    assert torch.equal(positive, plain.relu())
