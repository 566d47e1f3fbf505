"""Data sets as other tools leave them: trained on, evaluated and scored without an option."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import singleshot
from foreign_layouts import LAYOUTS, ROBOFLOW, Build

from singleshot.data.formats import coco
from singleshot.data.opening import read_dataset


@pytest.mark.parametrize(("name", "build"), LAYOUTS.items(), ids=LAYOUTS)
def test_every_layout_is_scored(name: str, build: Build, tmp_path: Path):
    build(tmp_path / "data")
    (tmp_path / "nothing.json").write_text("[]")
    done = singleshot("score", str(tmp_path / "nothing.json"), str(tmp_path / "data"), "--json")
    assert done.exit_code == 0, done.stderr
    classes = json.loads(done.stdout)["per_class"]
    in_test = name in ROBOFLOW or name == "splits in a folder in a folder"
    truths = 3 if in_test else 4 if "devkit" in name else 6
    assert sum(one["truths"] for one in classes.values()) == truths


@pytest.mark.parametrize(("name", "build"), ROBOFLOW.items(), ids=ROBOFLOW)
def test_roboflows_exports_train_validate_and_evaluate(name, build, tmp_path, train):
    build(tmp_path / "data")
    data, run = str(tmp_path / "data"), str(tmp_path / "run")
    done = train("--data", data, "--run", run, "--set", "training.epochs=1")
    assert done.exit_code == 0, done.stderr
    assert f"training on 6 images ({name.split()[1]} layout, split train of" in done.stderr
    assert f"validating on 3 images ({name.split()[1]} layout, split val" in done.stderr
    saved = str(tmp_path / "predictions.json")
    report = str(tmp_path / "report")
    done = singleshot("evaluate", run, data, "--save-predictions", saved, "--report", report)
    assert done.exit_code == 0, done.stderr
    assert "evaluating on 3 images" in done.stderr
    assert "trained on" not in done.stderr
    # Results go by the names of the images, in records as well.
    names = [f"test-{index}_jpg.rf.{index:032x}.jpg" for index in range(3)]
    page = Path(report, "report.html").read_text()
    assert all(name.removesuffix(".jpg") in page for name in names)
    again = singleshot("score", saved, data, "--json")
    assert again.exit_code == 0, again.stderr


@pytest.mark.parametrize("name", ["XML beside images", "Label Studio uploads"])
def test_layouts_without_splits_train(name, tmp_path, train):
    LAYOUTS[name](tmp_path / "data")
    run = str(tmp_path / "run")
    words = ("--run", run, "--set", "training.epochs=1")
    done = train("--data", str(tmp_path / "data"), *words)
    assert done.exit_code == 0, done.stderr
    evaluated = singleshot("evaluate", run, str(tmp_path / "data"), "--split", "set-aside")
    assert evaluated.exit_code == 0, evaluated.stderr


def test_a_training_on_records_knows_its_images_as_files(tmp_path, train):
    ROBOFLOW["Roboflow TFRecord"](tmp_path / "records")
    run, files = str(tmp_path / "run"), tmp_path / "files"
    done = train("--data", str(tmp_path / "records"), "--run", run, "--set", "training.epochs=1")
    assert done.exit_code == 0, done.stderr
    coco.FORMAT.write(read_dataset(tmp_path / "records", "train"), files)
    done = singleshot("evaluate", run, str(files))
    assert done.exit_code == 0, done.stderr
    assert "6 of the 6 images are among those that the detector was trained on" in done.stderr
