import pytest
import torch
from torch import nn

from singleshot.backbones.settings import IMAGE, ConvolutionLayer, ReluLayer, ScaleLayer
from singleshot.errors import ModelError
from singleshot.importers.graph import GraphWriter, LevelPredictor, batch_norm_as_scale


def convolution(name, source, channels=4):
    return ConvolutionLayer(
        name=name, input=source, channels=channels, kernel=3, padding=1, bias=False
    )


def test_a_batch_norm_is_a_factor_and_a_shift(random):
    norm = nn.BatchNorm2d(4).eval()
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        nn.init.uniform_(tensor, 0.5, 2, generator=random)
    learned = (norm.weight.detach(), norm.bias.detach())
    scale = batch_norm_as_scale(norm.running_mean, norm.running_var, norm.eps, learned)
    images = torch.rand(1, 4, 2, 2, generator=random)
    ours = images * scale["weight"][:, None, None] + scale["bias"][:, None, None]
    torch.testing.assert_close(ours.float(), norm(images))


def test_a_scale_is_folded_into_the_convolution_before_it():
    graph = GraphWriter()
    graph.add(convolution("conv", IMAGE), {"weight": torch.ones(4, 3, 3, 3)})
    scale = {"weight": torch.full((4,), 2.0), "bias": torch.ones(4)}
    graph.add(ScaleLayer(name="scale", input="conv"), scale)
    graph.add(ReluLayer(name="relu", input="scale"))
    graph.fold_scales()
    assert list(graph.layers) == ["conv", "relu"]
    assert graph.layers["relu"].input == "conv"
    assert (graph.weights["conv"]["weight"] == 2).all()
    assert (graph.weights["conv"]["bias"] == 1).all()


def test_a_scale_stays_if_something_else_uses_the_layer_before_it():
    graph = GraphWriter()
    graph.add(convolution("conv", IMAGE), {"weight": torch.ones(4, 3, 3, 3)})
    graph.add(ScaleLayer(name="scale", input="conv"), batch_norm_as_scale(*torch.ones(2, 4), 0))
    graph.add(ReluLayer(name="relu", input="conv"))
    graph.fold_scales()
    assert "scale" in graph.layers


def test_predictors_of_different_features_get_one_with_zeros():
    graph = GraphWriter()
    graph.add(convolution("a", IMAGE), {"weight": torch.ones(4, 3, 3, 3)})
    graph.add(convolution("b", IMAGE, 2), {"weight": torch.ones(2, 3, 3, 3)})
    offsets = LevelPredictor("a", torch.ones(8, 4, 1, 1), torch.zeros(8))
    logits = LevelPredictor("b", torch.ones(6, 2, 3, 3), torch.zeros(6))
    graph.add_level(offsets, logits)
    assert (graph.outputs, graph.kernels) == (["a_and_b"], [3])
    weight = graph.state()["heads.offsets.0.weight"]
    assert weight.shape == (8, 6, 3, 3)
    assert weight.sum() == 8 * 4


def test_blue_green_red_becomes_red_green_blue_in_the_first_convolution():
    graph = GraphWriter()
    weight = torch.arange(3.0)[None, :, None, None].repeat(4, 1, 3, 3)
    graph.add(convolution("conv", IMAGE), {"weight": weight})
    graph.take_rgb()
    assert graph.weights["conv"]["weight"][0, :, 0, 0].tolist() == [2, 1, 0]
    graph.layers["conv"] = graph.layers["conv"].model_copy(update={"groups": 3})
    with pytest.raises(ModelError, match=r"'conv' .* channels are blue, green, red"):
        graph.take_rgb()
