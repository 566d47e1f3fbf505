"""Images of the run that a model comes from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from small_ssd import make_run

import singleshot
from singleshot.models.origin import training_splits
from singleshot.runs.splits import RunSplits, SplitRecord


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    pytest.importorskip("onnx")
    run = make_run(tmp_path_factory.mktemp("origin") / "run")
    record = SplitRecord(description="cells", images=(("a.jpg", "abc"),))
    RunSplits(train=record, validation=None, set_aside=False).save(run / "splits.json")
    folder = run.parent / "exported"
    singleshot.export(run, "onnx", output=folder, skip_timing=True)
    return folder


def test_an_exported_model_knows_the_images_of_its_run(exported):
    splits = training_splits(exported)
    assert splits.trained_on() == {"abc"}


def test_a_run_that_is_not_there_any_more_is_named(exported, tmp_path):
    copy = Path(shutil.copytree(exported, tmp_path / "copy"))
    manifest = json.loads((copy / "model.json").read_text())
    manifest["detector"]["checkpoint"] = "elsewhere/checkpoints/best.safetensors"
    (copy / "model.json").write_text(json.dumps(manifest))
    messages = []
    assert training_splits(copy, messages.append) is None
    assert (
        "elsewhere/checkpoints/best.safetensors, which it was exported from, is not" in messages[0]
    )
