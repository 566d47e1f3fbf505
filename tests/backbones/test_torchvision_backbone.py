import pytest
import torch
from torchvision.models import resnet18

from singleshot.backbones.torchvision import TorchvisionBackbone
from singleshot.backbones.weights import fill
from singleshot.errors import ModelError

NODES = ("layer2", "layer3")


@pytest.mark.parametrize(("ceil_pooling", "grids"), [(True, [40, 20]), (False, [41, 21])])
def test_caffes_pooling_makes_40_cells_of_321_pixels(ceil_pooling, grids):
    backbone = TorchvisionBackbone("resnet18", NODES, ceil_pooling=ceil_pooling)
    assert backbone.channels == (128, 256)
    features = backbone.eval()(torch.zeros(1, 3, 321, 321))
    assert [feature.shape[-1] for feature in features] == grids


def test_the_last_layers_of_the_strides_give_a_resnets_own_levels():
    backbone = TorchvisionBackbone("resnet18", ("layer1", "layer2", "layer3", "layer4")).eval()
    layers = backbone.body.last_layers()
    # A block uses one activation twice: the second time after its sum.
    assert [layers[stride] for stride in backbone.strides()] == [
        f"layer{number}.1.relu_1" for number in (1, 2, 3, 4)
    ]
    named = TorchvisionBackbone("resnet18", tuple(layers[stride] for stride in (8, 16))).eval()
    fill(named.weights, backbone.weights.state_dict(), source="the other")
    image = torch.rand(1, 3, 64, 96)
    for feature, own in zip(named(image), backbone(image)[1:3], strict=True):
        assert torch.equal(feature, own)


def test_torchvisions_weights_fit_by_name():
    network = resnet18()
    backbone = TorchvisionBackbone("resnet18", NODES, ceil_pooling=True)
    fill(backbone.weights, network.state_dict(), source="resnet18.pth")
    found = backbone.weights.state_dict()["layer3.1.conv2.weight"]
    assert torch.equal(found, network.layer3[1].conv2.weight)


def test_a_list_among_the_arguments_dilates_the_last_stage():
    arguments = {"replace_stride_with_dilation": (False, False, True)}
    backbone = TorchvisionBackbone("resnet50", ("layer2", "layer4"), arguments, ceil_pooling=True)
    strides = [321 // feature.shape[-1] for feature in backbone.eval()(torch.zeros(1, 3, 321, 321))]
    assert strides == [8, 16]


def test_only_resnets_have_that_pooling():
    with pytest.raises(ModelError, match=r"first_pooling = 'ceil' is for ResNets, not for 'vgg11'"):
        TorchvisionBackbone("vgg11", ("features.10",), ceil_pooling=True)
