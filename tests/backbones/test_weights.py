# Tests singleshot/backbones/kinds.py
# Tests singleshot/backbones/folding.py
# Tests singleshot/backbones/classifier.py

import pickle

import pytest
import timm
import torch

from singleshot.backbones.kinds import build_backbone
from singleshot.backbones.settings import TimmSettings, Vgg16Settings
from singleshot.backbones.timm import TimmBackbone
from singleshot.backbones.weights import classifier_weights, fill, read_state_dict
from singleshot.errors import ModelError


def test_the_installed_weights_are_imagenets():
    weights = classifier_weights(TimmSettings(name="tf_efficientnet_lite0"))
    classifier = timm.create_model("tf_efficientnet_lite0").eval()
    classifier.load_state_dict(weights)
    # A trained network is far surer of anything than a random one.
    noise = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    assert classifier(noise).std() > 0.3
    built = build_backbone(TimmSettings(name="tf_efficientnet_lite0"), pretrained=True)
    assert torch.equal(built.body.conv_stem.weight, weights["conv_stem.weight"])


def test_no_package_carries_other_backbones():
    with pytest.raises(
        ModelError, match="no installed package carries weights for backbone 'resnet"
    ):
        build_backbone(TimmSettings(name="resnet18"), pretrained=True)


def test_a_file_of_another_backbone_is_refused(tmp_path):
    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "weights.pth")
    settings = TimmSettings(name="tf_efficientnet_lite0", weights=str(tmp_path / "weights.pth"))
    with pytest.raises(ModelError, match=r"lacks 'conv_stem\.weight'"):
        build_backbone(settings, pretrained=True)


def test_a_tensor_of_another_shape_is_named():
    body = TimmBackbone("resnet18", (32,)).body
    wrong = {**body.state_dict(), "conv1.weight": torch.zeros(1)}
    with pytest.raises(ModelError, match=r"conv1\.weight is \[1\], expected \[64, 3, 7, 7\]"):
        fill(body, wrong, "a file")


class Bomb:
    def __reduce__(self):
        return print, ("code was run",)


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, capsys):
    (tmp_path / "bomb.pth").write_bytes(pickle.dumps({"weight": Bomb()}))
    with pytest.raises(ModelError, match="not a PyTorch file of plain tensors"):
        read_state_dict(tmp_path / "bomb.pth")
    assert "code was run" not in capsys.readouterr().out


def test_vgg_takes_unscaled_weights_only(tmp_path):
    import torchvision

    scaled = torchvision.models.vgg16().state_dict()
    unscaled = {
        name: torch.full_like(tensor, torch.nan) if "classifier" in name else tensor
        for name, tensor in scaled.items()
    }
    torch.save(unscaled, tmp_path / "features.pth")
    vgg = build_backbone(Vgg16Settings(weights=str(tmp_path / "features.pth")), pretrained=True)
    assert torch.equal(vgg.features[28].weight, scaled["features.28.weight"])
    torch.save(scaled, tmp_path / "scaled.pth")
    with pytest.raises(ModelError, match="IMAGENET1K_FEATURES"):
        build_backbone(Vgg16Settings(weights=str(tmp_path / "scaled.pth")), pretrained=True)
