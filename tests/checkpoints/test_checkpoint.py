import pytest
import torch
from safetensors.torch import save_file

from singleshot.checkpoints.checkpoint import Checkpoint, detector_from
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe


def checkpoint():
    recipe = load_recipe("ssdlite320-lite0", {"model.input": [96, 128]})
    detector = build_detector(recipe.model, ["cell"], pretrained=False)
    return Checkpoint(detector.state_dict(), recipe, ("cell",), {"best": 0.5})


def test_everything_comes_back(tmp_path):
    saved = checkpoint()
    saved.save(tmp_path / "model.safetensors")
    loaded = Checkpoint.load(tmp_path / "model.safetensors")
    assert loaded.recipe == saved.recipe
    assert loaded.class_names == ("cell",)
    assert loaded.metrics == {"best": 0.5}
    assert loaded.weights.keys() == saved.weights.keys()
    assert all(torch.equal(loaded.weights[name], tensor) for name, tensor in saved.weights.items())


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ModelError, match=r"none\.safetensors: no such file"):
        Checkpoint.load(tmp_path / "none.safetensors")


def test_a_truncated_file_is_an_error(tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])  # within its header
    with pytest.raises(ModelError, match=r"cut short: 1,000 of [\d,]+ bytes; copy it again"):
        Checkpoint.load(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(
        ModelError, match=f"cut short: {len(whole) - 1:,} of {len(whole):,} bytes; copy it again"
    ):
        Checkpoint.load(path)


def test_weights_without_a_recipe_are_an_error(tmp_path):
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="not a checkpoint"):
        Checkpoint.load(tmp_path / "other.safetensors")


def test_weights_that_do_not_fit_the_recipe_are_an_error():
    saved = checkpoint()
    more = Checkpoint(saved.weights, saved.recipe, ("cell", "another"), {})
    with pytest.raises(ModelError, match="do not fit"):
        detector_from(more, "somewhere")


def test_a_fingerprint_is_of_weights_and_classes():
    def fingerprint(first, class_names):
        recipe = load_recipe("ssdlite320-lite0", {"model.input": [96, 128]})
        weights = {"a": torch.tensor([first, 2.0]), "b": torch.zeros(3)}
        return Checkpoint(weights, recipe, class_names, {"step": first}).fingerprint()

    assert fingerprint(0.0, ("cat",)) == fingerprint(0.0, ("cat",))
    others = [(0.0, ("cat",)), (1.0, ("cat",)), (0.0, ("dog",))]
    assert len({fingerprint(*other) for other in others}) == 3
