# Tests singleshot/evaluation/operating_point.py

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import singleshot
from singleshot.errors import ModelError
from singleshot.metrics import Choice, OperatingPoint, Rule
from singleshot.runs.folder import RunFolder
from singleshot.runs.weights import RunWeights

POINT = OperatingPoint(
    Rule.parse("precision=0.95"),
    iou_threshold=0.5,
    data="the val images",
    per_class={
        "RBC": Choice(0.41, 0.953, 0.5, 0.125, true_positives=41, false_positives=2),
        "WBC": Choice(None, precision=0.8, recall=0.25, false_positives_per_image=2),
    },
)


def write_weights(path: Path, value: float = 0.0) -> None:
    """As much of a checkpoint as is looked at here."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"singleshot": json.dumps({"class_names": ["RBC", "WBC"]})}
    save_file({"weight": torch.full((3,), value)}, path, metadata=about)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run with two checkpoints, of which the best was chosen for."""
    folder = RunFolder(tmp_path / "run")
    write_weights(folder.best, 1)
    write_weights(folder.last, 2)
    folder.recipe.touch()
    weights = RunWeights.of(folder.best)
    assert weights is not None
    weights.save_operating_point(POINT)
    return folder


def edit(folder: RunFolder, **changes: object) -> None:
    document = json.loads(folder.operating_point.read_text())
    folder.operating_point.write_text(json.dumps({**document, **changes}))


def test_saved_thresholds_are_loaded(run):
    told: list[str] = []
    assert singleshot.operating_point(run.path, on_message=told.append) == POINT
    assert told[0].startswith("keeping RBC from 0.41: chosen for precision ≥ 0.95")
    assert "WBC (0.80 at best)" in told[1]


def test_the_file_is_readable_json(run):
    document = json.loads(run.operating_point.read_text())
    assert document["rule"] == "precision=0.95"
    assert document["per_class"]["RBC"] == {
        "score_threshold": 0.41,
        "precision": 0.953,
        "recall": 0.5,
        "false_positives_per_image": 0.125,
        "true_positives": 41,
        "false_positives": 2,
    }


def test_a_checkpoint_of_the_run_has_the_thresholds_too(run, monkeypatch):
    assert singleshot.operating_point(run.best) == POINT
    monkeypatch.chdir(run.best.parent)
    assert singleshot.operating_point("best.safetensors") == POINT


def test_thresholds_are_valid_in_a_copy_of_the_run(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "elsewhere")
    assert singleshot.operating_point(tmp_path / "elsewhere") == POINT


def test_thresholds_are_invalid_for_another_checkpoint_of_the_run(run):
    told: list[str] = []
    assert singleshot.operating_point(run.last, on_message=told.append) is None
    assert len(told) == 1
    assert "chosen for other weights" in told[0]
    assert "--threshold-rule precision=0.95" in told[0]


def test_thresholds_are_invalid_after_more_training(run):
    write_weights(run.best, 3)
    assert singleshot.operating_point(run.path) is None


def test_thresholds_are_valid_for_the_evaluated_weights(run):
    """A training that still runs replaces the file between measuring and choosing."""
    measured = singleshot.run_weights(run.path)
    assert measured is not None
    write_weights(run.best, 4)
    measured.save_operating_point(POINT)
    assert singleshot.operating_point(run.path) is None


def test_a_run_without_thresholds_has_no_operating_point(run):
    run.operating_point.unlink()
    told: list[str] = []
    assert singleshot.operating_point(run.path, on_message=told.append) is None
    assert told == []


def test_a_checkpoint_outside_a_run_has_no_operating_point(run, tmp_path):
    shutil.copy(run.best, tmp_path / "run" / "best.safetensors")
    assert singleshot.operating_point(tmp_path / "run" / "best.safetensors") is None
    write_weights(tmp_path / "alone" / "checkpoints" / "best.safetensors")
    assert singleshot.run_weights(tmp_path / "alone" / "checkpoints" / "best.safetensors") is None


def test_a_file_written_by_hand_is_enough(run):
    edit(run, per_class={"WBC": {"score_threshold": 0.5}, "RBC": {"score_threshold": 0.25}})
    found = singleshot.operating_point(run.path)
    assert found is not None
    assert found.per_class["RBC"] == Choice(0.25, None, None, None)
    assert found.score_thresholds.tolist() == [0.25, 0.5]  # by the order of the labels


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"per_class": {"RBC": {"score_threshold": 0.5}}}, "only one of them has WBC"),
        (
            {"per_class": {name: {"score_threshold": 0.5} for name in ("RBC", "WBC", "cat")}},
            "only one of them has cat",
        ),
        ({"per_class": {"RBC": {"score_threshold": 41}}}, "per_class.RBC.score_threshold: .* 1"),
        ({"per_class": {"RBC": {"score_threshold": None, "f": 1}}}, "per_class.RBC.f: Extra"),
        ({"rule": "nonsense"}, "no rule 'nonsense'"),
        ({"iou_threshold": 0}, "iou_threshold: "),
        ({"weights": None}, "weights: "),
    ],
)
def test_a_broken_file_is_an_error_with_the_key(run, changes, message):
    edit(run, **changes)
    with pytest.raises(ModelError, match=message) as error:
        singleshot.operating_point(run.path)
    assert str(run.operating_point) in str(error.value)
    assert "choose again with evaluate --threshold-rule" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"rule": "f1"', b"\xff\xfe"])
def test_a_damaged_file_is_an_error_of_its_own(run, content):
    run.operating_point.write_bytes(content)
    with pytest.raises(ModelError, match=r"operating_point\.json: "):
        singleshot.operating_point(run.path)


def test_thresholds_of_version_0_1_are_read(run):
    """It had other names for the rule, true positives and false positives."""
    text = run.operating_point.read_text().replace("precision=0.95", "alarms=0.1")
    text = text.replace('"true_positives"', '"hits"').replace('"false_positives"', '"false_alarms"')
    text = text.replace('"false_positives_per_image"', '"false_alarms_per_picture"')
    run.operating_point.write_text(text)
    point = singleshot.operating_point(run.path)
    assert str(point.rule) == "fppi=0.1"
    assert point.per_class == POINT.per_class
