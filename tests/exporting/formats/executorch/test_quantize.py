import pytest
import torch

pytest.importorskip("executorch")
from small_ssd import make_images, small_ssd, unchecked_shapes

from singleshot.exporting.contracts import contract_network
from singleshot.exporting.formats.executorch.convert import lower, quiet
from singleshot.exporting.formats.executorch.quantize import quantize_network


@pytest.fixture(scope="module")
def networks():
    """A network with raw outputs, the same in int8, and images to run them on."""
    detector = small_ssd()
    network = contract_network(detector.exportable(), "raw", "normalized")
    images = detector.normalise(detector.resize_images(make_images(8))).split(1)
    with quiet(), unchecked_shapes():
        quantized = quantize_network(network, images[0], images)
    return network, quantized, images


def test_outputs_are_close_to_those_in_float(networks):
    network, quantized, images = networks
    with torch.no_grad():
        for expected, found in zip(network(images[-1]), quantized(images[-1]), strict=True):
            error = (found - expected).square().mean() / expected.square().mean()
            assert error.sqrt() < 0.1


def test_steps_lie_after_the_activation(networks):
    """A ReLU6's steps are its range / 255, not those of the convolution before it."""
    _, quantized, _ = networks
    ops = torch.ops.aten
    for node in quantized.graph.nodes:
        if node.target in (ops.hardtanh.default, ops.hardtanh_.default):
            assert "quantize" not in str(node.args[0].target)
            (user,) = node.users
            assert "quantize_per_tensor" in str(user.target)


def test_xnnpack_computes_all_of_it(networks):
    _, quantized, images = networks
    with quiet(), torch.no_grad():
        program = lower(torch.export.export(quantized, (images[0],)))
    assert program.count(b"XnnpackBackend") == 1
