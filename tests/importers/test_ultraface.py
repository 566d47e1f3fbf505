import pickle

import pytest
import torch

from singleshot.backbones.weights import read_state_dict
from singleshot.checkpoints.checkpoint import detector_from
from singleshot.data.image_files.decoding import read_image
from singleshot.errors import ModelError
from singleshot.importers.ultraface import is_ultraface, read_ultraface
from singleshot.structures import Batch, Truth


@pytest.fixture(scope="session")
def folder(shared):
    found = shared / "weights" / "ultraface"
    if not found.is_dir():
        pytest.skip(f"needs {found}")
    return found


@pytest.fixture(params=["RFB", "slim"])
def path(folder, request):
    return folder / f"version-{request.param}-320.pth"


def test_both_networks_have_4420_priors_and_find_faces(path, shared):
    checkpoint = read_ultraface(path)
    detector = detector_from(checkpoint, str(path))
    assert is_ultraface(read_state_dict(path))
    assert checkpoint.class_names == ("face",)
    # 40 × 30 · 3 + 20 × 15 · 2 + 10 × 8 · 2 + 5 × 4 · 3
    assert len(detector.priors_cxcywh_unit) == 4420
    (found,) = detector.detect([read_image(shared / "data/dlib_faces/2007_007763.jpg")])
    assert (found.scores > 0.6).sum() == 7


def test_its_batch_norms_are_folded(path):
    recipe = read_ultraface(path).recipe
    assert {layer.operation for layer in recipe.model.backbone.layers} <= {
        "convolution",
        "relu",
        "add",
        "concat",
    }


def test_it_learns_down_to_the_first_convolution(path):
    detector = detector_from(read_ultraface(path), str(path)).train()
    truth = Truth.of(torch.tensor([[20.0, 10.0, 60.0, 50.0]]), torch.tensor([0]))
    images = torch.randint(256, (1, 3, 240, 320), dtype=torch.uint8)
    detector.losses(Batch(images, (truth,), ("a",))).total.backward()
    assert detector.backbone.layers["base_net_0_0"].weight.grad.abs().max() > 0


class Bomb:
    def __reduce__(self):
        return print, ("code was run",)


def test_code_in_a_file_is_refused_and_not_run(tmp_path, capsys):
    (tmp_path / "bomb.pth").write_bytes(pickle.dumps({"base_net.0.0.weight": Bomb()}))
    with pytest.raises(ModelError, match="not a PyTorch file of plain tensors") as error:
        read_ultraface(tmp_path / "bomb.pth")
    assert "\n" not in str(error.value)
    assert "code was run" not in capsys.readouterr().out


def test_a_file_that_is_cut_off_is_refused(path, tmp_path):
    content = path.read_bytes()
    (tmp_path / "half.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="not a PyTorch file"):
        read_ultraface(tmp_path / "half.pth")


def test_a_file_of_another_network_is_refused(path, tmp_path):
    state = read_state_dict(path)
    torch.save({**state, "landmarks.weight": torch.zeros(1)}, tmp_path / "more.pth")
    with pytest.raises(ModelError, match=r"has 'landmarks\.weight', which no UltraFace has"):
        read_ultraface(tmp_path / "more.pth")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    assert not is_ultraface(read_state_dict(tmp_path / "other.pth"))
    with pytest.raises(ModelError, match=r"lacks 'base_net\.0\.0\.weight'"):
        read_ultraface(tmp_path / "other.pth")
    three = {"classification_headers.3.weight": torch.zeros(9, 256, 3, 3)}
    torch.save({**state, **three}, tmp_path / "masks.pth")
    with pytest.raises(ModelError, match=r"do not fit .* heads\.logits\.3\.weight"):
        read_ultraface(tmp_path / "masks.pth")
