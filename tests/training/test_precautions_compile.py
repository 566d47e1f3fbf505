"""The compiled network is the same detector under the same names."""

import shutil

import pytest
import torch
from cells import make_cells
from killing import OVERRIDES

import singleshot
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.errors import RecipeError
from singleshot.training import precautions

SHORT = {**OVERRIDES, "training.workers": 0, "training.epochs": 1, "training.compile": True}
needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None, reason="needs a C++ compiler (g++), which torch.compile calls"
)


@needs_compiler
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # of inductor
def test_a_compiled_network_outputs_the_same_and_keeps_its_names():
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
    inputs = torch.tensor([[1.0, -2.0, 3.0]])
    plain, names = network(inputs), list(network.state_dict())
    precautions.compile_network(network, torch.device("cpu"))
    torch.testing.assert_close(network(inputs), plain)
    assert list(network.state_dict()) == names == ["0.weight", "0.bias"]


def test_a_missing_compiler_is_an_error_before_anything_is_written(tmp_path, monkeypatch):
    def no_compiler(*_, **__):
        raise RuntimeError("No working C++ compiler found")

    monkeypatch.setattr(precautions.torch, "compile", no_compiler)
    with pytest.raises(RecipeError, match=r"training\.compile = true: .*No working C\+\+ compiler"):
        singleshot.train(
            "ssdlite320-lite0",
            make_cells(tmp_path / "cells"),
            run=tmp_path / "run",
            overrides=SHORT,
        )
    assert not (tmp_path / "run").exists()


@needs_compiler
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # of inductor
def test_a_compiled_training_leaves_a_plain_checkpoint(tmp_path, monkeypatch):
    # Without the seconds that real code takes to be made: the graph alone.
    real = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **words: real(self, backend="eager", **words)
    )
    run = singleshot.train(
        "ssdlite320-lite0", make_cells(tmp_path / "cells"), run=tmp_path / "run", overrides=SHORT
    )
    assert run.steps == 2
    assert not [name for name in Checkpoint.load(run.checkpoint).weights if "_orig_mod" in name]
