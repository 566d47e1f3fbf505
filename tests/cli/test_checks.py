"""What no work could come of is refused before PyTorch is imported, which takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from cells import make_cells
from safetensors.torch import save_file

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.recipes.load import load_recipe

HEAVY = ("torch", "torchvision", "timm", "numpy", "safetensors", "hotcoco", "tensorboard")
RUN_ALL = f"""
import json, sys
from singleshot.cli import main
codes = []
for words in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit as end:
        codes.append(end.code)
print(codes, [name for name in {HEAVY} if name in sys.modules])
"""


def run_all(commands, folder):
    """Run commands in one process; their exit codes, the heavy modules imported, and stderr."""
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    return done.stdout.splitlines()[-1], done.stderr


@pytest.fixture
def folder(tmp_path):
    """A data set, a model, one that is cut short, and a folder of other files."""
    make_cells(tmp_path / "cells")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    recipe = load_recipe("ssdlite320-lite0")
    Checkpoint({"a": torch.zeros(9)}, recipe, ("RBC",), {}).save(tmp_path / "model.safetensors")
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-1])
    save_file({"a": torch.zeros(9)}, tmp_path / "foreign.safetensors")
    return tmp_path


def test_refusals_import_no_heavy_packages(folder):
    train = ["train", "ssdlite320-lite0", "--data"]
    commands = [
        ["train", "no-recipe", "--data", "cells"],
        [*train, "nowhere"],
        [*train, "other"],
        [*train, "cells", "--split", "no-split"],
        [*train, "cells", "--set", "training.lr=1"],
        [*train, "cells", "--run", "other"],
        [*train, "cells", "--init", "nowhere"],
        [*train, "cells", "--run", "nowhere", "--resume"],
        ["tune", "ssdlite320-lite0", "--data", "nowhere", "--trials", "2"],
        ["tune", "ssdlite320-lite0", "--data", "cells", "--trials", "2", "--search", "a=1..2"],
        ["evaluate", "nowhere", "cells"],
        ["evaluate", "model.safetensors", "nowhere"],
        ["evaluate", "model.safetensors", "cells", "--split", "no-split"],
        ["evaluate", "model.safetensors", "cells", "--attributes", "nowhere.csv"],
        ["score", "nowhere.json", "cells"],
        ["score", "other", "nowhere"],
        ["predict", "nowhere", "cells/JPEGImages"],
        ["predict", "cut.safetensors", "cells/JPEGImages"],
        ["predict", "foreign.safetensors", "cells/JPEGImages"],
        ["predict", "model.safetensors", "cells/JPEGImages", "--draw", "other/notes.txt"],
        ["compare", "nowhere", "model.safetensors", "--data", "cells"],
        ["models", "show", "no-recipe"],
        ["models", "import", "nowhere"],
    ]
    result, stderr = run_all(commands, folder)
    assert result == f"{[2] * len(commands)} []", stderr


def test_score_imports_neither_torchvision_nor_timm(folder):
    (folder / "nothing.json").write_text("[]")
    result, stderr = run_all([["score", "nothing.json", "cells", "--json"]], folder)
    assert result.startswith("[0]"), stderr
    assert not any(name in result for name in ("torchvision", "timm", "tensorboard"))
