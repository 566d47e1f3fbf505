from __future__ import annotations

import pytest
import torch

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.checkpoints.header import is_checkpoint, read_about
from singleshot.errors import ModelError
from singleshot.recipes.load import load_recipe


def test_all_but_the_weights_is_read(tmp_path):
    path = tmp_path / "model.safetensors"
    Checkpoint({"a": torch.zeros(2)}, load_recipe("ssdlite320-lite0"), ("cat",), {"best": 1}).save(
        path
    )
    about = read_about(path)
    assert (about["class_names"], about["metrics"]) == (["cat"], {"best": 1})
    assert is_checkpoint(path)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{}"]
)
def test_any_other_file_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert not is_checkpoint(path)
    with pytest.raises(ModelError, match=r"model\.safetensors: (empty|not a checkpoint)"):
        read_about(path)
