import torch
from torch import nn

from singleshot.exporting.quantization.bias_correction import (
    convolve_rounded,
    corrected_biases,
    folded,
    rounded_weight,
)


def make_network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU6(), nn.Conv2d(8, 4, 1, bias=False)]
    return nn.Sequential(*layers).requires_grad_(False)


def run_rounded(network, images):
    features = images
    for module in network:
        is_layer = isinstance(module, nn.Conv2d)
        features = convolve_rounded(module, features) if is_layer else module(features)
    return features


def test_rounded_weights_are_whole_steps_of_their_channel():
    weight = torch.tensor([[1.27, 0.014], [-0.5, 0.3]])[:, :, None, None]
    expected = torch.tensor([[1.27, 0.01], [-0.5, 76 / 127 * 0.5]])[:, :, None, None]
    torch.testing.assert_close(rounded_weight(weight), expected)


def test_with_rounded_weights_means_are_those_of_the_network(random):
    network, images = make_network(), torch.randn(4, 3, 12, 10, generator=random)
    expected = network(images).mean(dim=(0, 2, 3))
    before = (run_rounded(network, images).mean(dim=(0, 2, 3)) - expected).abs().max()
    corrected = corrected_biases(network, images)
    after = (run_rounded(corrected, images).mean(dim=(0, 2, 3)) - expected).abs().max()
    assert before > 1e-4
    assert after < 1e-6


def test_the_network_itself_and_the_weights_stay_as_they_are(random):
    network, images = make_network(), torch.randn(2, 3, 8, 8, generator=random)
    before = {name: one.clone() for name, one in network.state_dict().items()}
    corrected = corrected_biases(network, images)
    assert network[2].bias is None
    for name, one in before.items():
        assert torch.equal(network.state_dict()[name], one)
        if name.endswith("weight"):
            assert torch.equal(corrected.state_dict()[name], one)


def test_folding_leaves_the_network_itself_and_the_outputs(random):
    network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)).eval()
    nn.init.uniform_(network[1].running_var, 0.5, 2)
    images = torch.randn(1, 3, 6, 6, generator=random)
    without = folded(network, images)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in without.modules())
    assert isinstance(network[1], nn.BatchNorm2d)
    torch.testing.assert_close(without(images), network(images))
