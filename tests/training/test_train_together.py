"""Processes that train together need the same inputs."""

from __future__ import annotations

import pytest
import torch
from cells import make_cells

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.data.splits import training_split
from singleshot.errors import SingleshotError
from singleshot.recipes.load import load_recipe
from singleshot.runs.folder import RunFolder
from singleshot.training.build import TrainingSetup
from singleshot.training.processes import Processes
from singleshot.training.start import Start
from singleshot.training.train import hash_backbone_file, require_same_inputs


def start(number):
    weights = {"bias": torch.full((1,), float(number))}
    recipe = load_recipe("ssdlite320-lite0")
    return TrainedDetector(Checkpoint(weights, recipe, ("RBC", "WBC"), {}), f"detector {number}")


@pytest.fixture
def require(tmp_path, monkeypatch):
    """Give one process some inputs, and another process others."""
    chosen = training_split([make_cells(tmp_path / "cells")], None, None, 0)

    def setup(processes, start, teacher):
        folder = RunFolder(tmp_path / "run")
        return TrainingSetup(
            chosen, folder, processes, start=start and Start(start), teacher=teacher
        )

    def require(mine, theirs):
        told = []
        two = Processes(world_size=2)
        monkeypatch.setattr(
            Processes, "all_gather", lambda _, about: told.append(about) or [about] * 2
        )
        for recipe, first, teacher in (mine, theirs):
            require_same_inputs(recipe, setup(two, first, teacher))
        monkeypatch.setattr(Processes, "all_gather", lambda *_: told)
        require_same_inputs(mine[0], setup(two, *mine[1:]))

    return require


def test_all_start_from_one_detector_and_have_one_teacher(require):
    recipe = load_recipe("ssdlite320-lite0")
    require((recipe, start(1), start(2)), (recipe, start(1), start(2)))
    with pytest.raises(SingleshotError, match="the detector to start from: process 1 has other"):
        require((recipe, start(1), None), (recipe, start(2), None))
    with pytest.raises(SingleshotError, match="the teacher: process 1 has other than process 0"):
        require((recipe, None, start(1)), (recipe, None, None))


def test_the_file_of_the_backbone_has_one_content(require, tmp_path):
    file = tmp_path / "backbone.safetensors"
    file.write_bytes(b"weights")
    recipe = load_recipe("ssdlite320-lite0", {"model.backbone.weights": str(file)})
    mine = (recipe, None, None)
    require(mine, mine)
    before = hash_backbone_file(recipe)
    file.write_bytes(b"others")
    assert hash_backbone_file(recipe) != before
    # What comes with timm lies in no file of ours.
    assert hash_backbone_file(load_recipe("ssdlite320-lite0")) == ""
