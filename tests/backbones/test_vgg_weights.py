"""ImageNet's VGG16 in every form it is published in; expanded tensors keep whole ones small."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracle.caffe_files import blob, part, varint

from singleshot.backbones.kinds import build_backbone
from singleshot.backbones.settings import Vgg16Settings
from singleshot.backbones.vgg import CONVOLUTIONS, Vgg16
from singleshot.backbones.vgg_weights import (
    CAFFE_CONVOLUTIONS,
    decimate_fc6,
    decimate_fc7,
    load_vgg16,
)
from singleshot.errors import ModelError


@pytest.fixture(scope="module")
def reduced():
    """A VGG16 as an SSD has it, with random weights."""
    torch.manual_seed(0)
    return Vgg16()


def features(vgg, prefix=""):
    """Weights of the convolutions as PyTorch files name them."""
    return {f"{prefix}{name}": tensor for name, tensor in vgg.features.state_dict().items()}


def amdegroots(vgg):
    """The names of `vgg16_reducedfc.pth`: 0 to 28, then 31 and 33."""
    fc = vgg.fc.state_dict()
    return features(vgg) | {
        f"{theirs}.{kind}": fc[f"{ours}.{kind}"]
        for theirs, ours in ((31, 1), (33, 3))
        for kind in ("weight", "bias")
    }


def whole(vgg, names=("classifier.0", "classifier.3", "classifier.6")):
    """A whole VGG16: each weight of fc6 is the number of its input, of fc7 of its output."""
    weights = (
        torch.arange(25088.0).expand(4096, 25088),
        torch.arange(4096.0)[:, None].expand(4096, 4096),
        torch.zeros(1, 1).expand(1000, 4096),
    )
    state = features(vgg, "features.")
    for name, weight in zip(names, weights, strict=True):
        state |= {f"{name}.weight": weight, f"{name}.bias": torch.arange(float(len(weight)))}
    return state


def loaded_into_new(path, **settings):
    torch.manual_seed(1)
    vgg = Vgg16(**settings)
    return vgg, load_vgg16(vgg, path)


def same(ours, theirs):
    return all(
        torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items()
    )


def test_amdegroots_file_fills_features_fc6_and_fc7(reduced, tmp_path):
    state = amdegroots(reduced)
    assert len(state) == 30
    torch.save(state, tmp_path / "vgg16_reducedfc.pth")
    settings = Vgg16Settings(weights=str(tmp_path / "vgg16_reducedfc.pth"))
    vgg = build_backbone(settings, pretrained=True)
    assert same(vgg, reduced)
    assert str(vgg.loaded) == f"{settings.weights}: 30 tensors taken"


def caffe_layers(vgg):
    """Layers of the authors' reduced VGG16, whose images are BGR, with ImageNet's classes."""
    arrays = {name: tensor.numpy() for name, tensor in amdegroots(vgg).items()}
    names = dict(zip(CAFFE_CONVOLUTIONS, CONVOLUTIONS, strict=True)) | {"fc6": 31, "fc7": 33}
    layers = {
        name: [arrays[f"{number}.weight"], arrays[f"{number}.bias"]]
        for name, number in names.items()
    }
    layers["conv1_1"][0] = layers["conv1_1"][0][:, ::-1]
    return layers | {"fc8": [np.zeros((1000, 1024, 1, 1)), np.zeros(1000)]}


def old_blob(values):
    """A BlobProto with packed numbers, and num, channels, height, width."""
    sides = [1] * (4 - values.ndim) + list(values.shape)
    shape = b"".join(varint(number << 3) + varint(side) for number, side in enumerate(sides, 1))
    return shape + part(5, values.astype("<f4").tobytes())


@pytest.mark.parametrize(
    ("numbers", "write"),
    [((100, 1, 7), blob), ((2, 4, 6), old_blob)],
    ids=["third format", "second format"],
)
def test_the_authors_caffemodel_fills_the_same(reduced, tmp_path, numbers, write):
    layer, name, blobs = numbers
    path = tmp_path / "VGG_ILSVRC_16_layers_fc_reduced.caffemodel"
    with path.open("wb") as file:
        for called, arrays in caffe_layers(reduced).items():
            content = [part(name, called.encode()), *(part(blobs, write(a)) for a in arrays)]
            file.write(part(layer, b"".join(content)))
    vgg, loaded = loaded_into_new(path)
    path.unlink()
    assert same(vgg, reduced)
    assert loaded.left_over == ("fc8.weight", "fc8.bias")


@pytest.mark.parametrize(
    "names",
    [
        ("classifier.0", "classifier.3", "classifier.6"),
        ("pre_logits.fc1", "pre_logits.fc2", "head.fc"),
    ],
    ids=["torchvision", "timm"],
)
def test_fc6_and_fc7_of_a_whole_one_are_decimated(reduced, tmp_path, names):
    torch.save(whole(reduced, names), tmp_path / "vgg16.pth")
    vgg, loaded = loaded_into_new(tmp_path / "vgg16.pth", pixels="torchvision")
    fc6, fc7 = vgg.fc[1], vgg.fc[3]
    # An input of fc6 is channel × 49 + row × 7 + column.
    inputs = [
        [[channel * 49 + row * 7 + column for column in (0, 3, 6)] for row in (0, 3, 6)]
        for channel in range(512)
    ]
    assert fc6.weight.shape == (1024, 512, 3, 3)
    assert fc6.weight[0].tolist() == fc6.weight[1023].tolist() == inputs
    assert fc6.bias.tolist() == fc7.bias.tolist() == list(range(0, 4096, 4))
    assert fc7.weight.shape == (1024, 1024, 1, 1)
    assert fc7.weight[:, 5, 0, 0].tolist() == list(range(0, 4096, 4))
    assert loaded.left_over == (f"{names[2]}.weight", f"{names[2]}.bias")
    # As the weights were trained.
    assert vgg.pixel_std == pytest.approx((58.395, 57.12, 57.375))


def sample_filter(weight, n_stride, c_stride, h_stride, w_stride):
    """The net surgery in forks of weiliu89/caffe, number by number."""
    outputs, channels, rows, columns = weight.shape
    return [
        [
            [
                [weight[n, c, h, w].item() for w in range(0, columns, w_stride)]
                for h in range(0, rows, h_stride)
            ]
            for c in range(0, channels, c_stride)
        ]
        for n in range(0, outputs, n_stride)
    ]


def test_the_decimation_is_that_of_the_net_surgery():
    random = torch.Generator().manual_seed(0)
    fc6 = torch.rand(8, 512, 7, 7, generator=random)
    assert decimate_fc6(fc6.flatten(1)).tolist() == sample_filter(fc6, 4, 1, 3, 3)
    fc7 = torch.rand(12, 12, 1, 1, generator=random)
    assert decimate_fc7(fc7[..., 0, 0]).tolist() == sample_filter(fc7, 4, 4, 1, 1)


def test_of_features_alone_fc6_and_fc7_are_named(reduced, tmp_path):
    state = whole(reduced)
    for name in state:
        if name.startswith("classifier."):
            state[name] = torch.full((1,), torch.nan).expand(state[name].shape)
    torch.save(state, tmp_path / "features.pth")
    vgg, loaded = loaded_into_new(tmp_path / "features.pth")
    assert same(vgg.features, reduced.features)
    assert "26 tensors taken; left over: classifier.0.weight" in str(loaded)
    assert str(loaded).endswith("fc6 and fc7 start from random weights")


def test_pixels_have_to_be_those_of_the_weights(reduced, tmp_path):
    torch.save(whole(reduced), tmp_path / "whole.pth")
    with pytest.raises(ModelError, match=r"--set model\.backbone\.pixels=torchvision, or give vgg"):
        loaded_into_new(tmp_path / "whole.pth")
    torch.save(amdegroots(reduced), tmp_path / "reduced.pth")
    with pytest.raises(ModelError, match=r"not divided.*leave out model\.backbone\.pixels"):
        loaded_into_new(tmp_path / "reduced.pth", pixels="torchvision")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"34.weight": torch.zeros(1)}, r"has '34\.weight', which no VGG16 has"),
        ({"28.weight": None}, r"lacks 'features\.28\.weight'"),
        ({"31.weight": None}, r"lacks 'fc\.1\.weight'"),
        ({"33.bias": torch.zeros(7)}, r"fc\.3\.bias is \[7\], expected \[1024\]"),
    ],
)
def test_what_is_left_over_or_lacking_is_named(reduced, tmp_path, change, message):
    state = {
        k: tensor for k, tensor in (amdegroots(reduced) | change).items() if tensor is not None
    }
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ModelError, match=message):
        loaded_into_new(tmp_path / "a.pth")
