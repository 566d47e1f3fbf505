# Tests singleshot/backbones/kinds.py
# Tests singleshot/backbones/folding.py
# Tests singleshot/backbones/classifier.py

import pickle

import pytest
import timm
import torch

from singleshot.backbones.backbone import loaded_weights
from singleshot.backbones.kinds import build_backbone
from singleshot.backbones.settings import TimmSettings, TorchvisionSettings
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


def test_a_deeper_network_of_the_same_kind_is_refused(tmp_path):
    """ResNet-34 has every tensor of ResNet-18 in its shape, and more."""
    torch.save(timm.create_model("resnet34").state_dict(), tmp_path / "resnet34.pth")
    for settings in (
        TimmSettings(name="resnet18", weights=str(tmp_path / "resnet34.pth")),
        TorchvisionSettings(
            name="resnet18", nodes=("layer4",), weights=str(tmp_path / "resnet34.pth")
        ),
    ):
        with pytest.raises(
            ModelError, match=r"has layer1\.2\.conv1\.weight, .*which 'resnet18' has n"
        ):
            build_backbone(settings, pretrained=True)


def test_what_is_left_over_of_the_whole_network_is_named(tmp_path):
    state = timm.create_model("resnet18").state_dict()
    # Files from before PyTorch 0.4.1 do not count batches.
    old = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "resnet18.pth")
    settings = TimmSettings(
        name="resnet18", strides=(8, 16), weights=str(tmp_path / "resnet18.pth")
    )
    torch.manual_seed(0)
    backbone = build_backbone(settings, pretrained=True)
    assert torch.equal(backbone.weights.state_dict()["conv1.weight"], old["conv1.weight"])
    (loaded,) = loaded_weights(torch.nn.Sequential(backbone))
    left_over = [name for name in old if name.startswith(("layer4.", "fc."))]
    assert list(loaded.left_over) == left_over
    assert loaded.num_tensors == len(old) - len(left_over)
    assert f"{loaded.num_tensors} tensors taken; left over: layer4.0.conv1.weight" in str(loaded)


@pytest.mark.parametrize(
    ("name", "strides", "tensor"),
    [("convnext_atto", (8, 16), "stages_0"), ("vit_tiny_patch16_224", (16,), "model.blocks.0")],
)
def test_timms_own_file_fits_where_feature_maps_are_named_anew(tmp_path, name, strides, tensor):
    state = timm.create_model(name).state_dict()
    torch.save(state, tmp_path / "file.pth")
    settings = TimmSettings(name=name, strides=strides, weights=str(tmp_path / "file.pth"))
    backbone = build_backbone(settings, pretrained=True)
    ours = backbone.weights.state_dict()
    assert any(key.startswith(tensor) for key in ours)
    assert backbone.loaded.num_tensors == len(ours)
    assert {"head.fc.weight", "head.weight"} & set(backbone.loaded.left_over)


def test_naming_what_is_left_over_draws_no_random_numbers(tmp_path):
    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "resnet18.pth")
    settings = TimmSettings(name="resnet18", strides=(8,))
    drawn = []
    for weights in ("none", str(tmp_path / "resnet18.pth")):
        torch.manual_seed(0)
        build_backbone(settings.model_copy(update={"weights": weights}), pretrained=True)
        drawn.append(torch.rand(()))
    assert drawn[0] == drawn[1]
