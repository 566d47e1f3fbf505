from copy import deepcopy

import pytest
import torch
from torch import nn

from singleshot.backbones.folding import fold_batch_norm
from singleshot.backbones.timm import TimmBackbone
from singleshot.errors import ModelError

IMAGE = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))


def with_lively_statistics(backbone):
    """Batch norms that do something, as trained ones do."""
    random = torch.Generator().manual_seed(1)
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.normal_(std=0.1, generator=random)
            for tensor in (module.running_var, module.weight.data):
                tensor.uniform_(0.5, 1.5, generator=random)
    return backbone.eval()


def test_feature_maps_have_the_requested_strides():
    backbone = TimmBackbone("tf_efficientnet_lite0", (8, 16, 32))
    assert backbone.channels == (40, 112, 320)
    assert [tuple(f.shape[-2:]) for f in backbone(IMAGE)] == [(12, 16), (6, 8), (3, 4)]


def test_it_has_the_pixel_statistics_of_its_pretraining():
    assert TimmBackbone("tf_efficientnet_lite0", (32,)).pixel_mean == (127.5, 127.5, 127.5)
    assert TimmBackbone("resnet18", (32,)).pixel_std == pytest.approx((58.395, 57.12, 57.375))


def test_unknown_names_and_strides_are_refused():
    with pytest.raises(ModelError, match="efficientnot"):
        TimmBackbone("efficientnot", (16, 32))
    with pytest.raises(ModelError, match=r"strides \[2, 4, 8, 16, 32\], not \[64\]"):
        TimmBackbone("resnet18", (32, 64))


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18", "mobilenetv3_small_050"])
def test_folding_all_statistics_changes_nothing_but_the_layers(name):
    backbone = with_lively_statistics(TimmBackbone(name, (16, 32)))
    # In doubles, so that only what folding did to the weights is seen.
    image = IMAGE.double()
    expected = deepcopy(backbone).double()(image)
    backbone.freeze(0, batch_norm=True)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in backbone.modules())
    for found, feature in zip(backbone.double()(image), expected, strict=True):
        torch.testing.assert_close(found, feature, atol=1e-4, rtol=1e-4)


def test_frozen_stages_keep_their_weights_and_the_rest_learns():
    backbone = TimmBackbone("tf_efficientnet_lite0", (16, 32))
    backbone.freeze(4, batch_norm=False)
    learning = {name for name, p in backbone.body.named_parameters() if p.requires_grad}
    frozen = {name for name, p in backbone.body.named_parameters() if not p.requires_grad}
    assert {name.split(".")[1] for name in frozen if name.startswith("blocks")} == {"0", "1"}
    assert {name.split(".")[1] for name in learning if name.startswith("blocks")} == set("23456")
    assert not any("bn" in name for name in frozen)


def test_a_batch_norm_whose_input_is_used_elsewhere_is_not_folded():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, images):
            return self.norm(images)

    odd = Odd()
    fold_batch_norm(odd, IMAGE)
    assert isinstance(odd.norm, nn.BatchNorm2d)


def test_frozen_statistics_stay_where_they_cannot_be_folded():
    # DenseNet normalises before it convolves.
    backbone = with_lively_statistics(TimmBackbone("densenet121", (16, 32)))
    expected = backbone(IMAGE)
    backbone.freeze(0, batch_norm=True)
    before = {name: tensor.clone() for name, tensor in backbone.named_buffers()}
    backbone.train()(IMAGE)
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.named_buffers())
    for found, feature in zip(backbone.eval()(IMAGE), expected, strict=True):
        torch.testing.assert_close(found, feature, atol=1e-3, rtol=1e-3)


def test_a_transformer_gives_channels_first():
    swin = TimmBackbone("swin_tiny_patch4_window7_224", (8, 16))
    image = torch.rand(1, 3, 224, 224)
    assert [tuple(f.shape[1:]) for f in swin(image)] == [(192, 28, 28), (384, 14, 14)]
