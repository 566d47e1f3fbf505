from __future__ import annotations

import pytest

from singleshot.errors import ModelError
from singleshot.runs.folder import RunFolder
from singleshot.training.options import TrainingOptions
from singleshot.training.record import recall_command, record_of, save_record

BEGUN = TrainingOptions(
    ["cells"], run="run", split="train", val_split="none", epochs=3, overrides=["training.seed=1"]
)
RESUME = TrainingOptions(resume=True)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run that began in this folder, on the data set `cells`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells").mkdir()
    save_record(RunFolder(tmp_path / "run"), record_of("ssdlite320-lite0", BEGUN))
    return tmp_path / "run"


def test_the_folder_alone_gives_the_whole_command(run):
    recipe, options = recall_command("run", RESUME)
    assert recipe == "ssdlite320-lite0"
    assert options.resume
    assert options.to_command("train", recipe) == (
        "singleshot train ssdlite320-lite0 --data cells --split train --val-split none --run run "
        "--epochs 3 --set training.seed=1 --resume"
    )
    assert recall_command(run, RESUME)[1].data == ["cells"]


def test_what_is_given_goes_before_what_is_recorded(run):
    given = TrainingOptions("moved", resume=True, overrides=["training.workers=0"])
    _, options = recall_command(run, given)
    assert options.data == "moved"
    assert options.all_overrides == {
        "training.epochs": 3,
        "training.seed": 1,
        "training.workers": 0,
    }


def test_relative_paths_are_found_from_another_folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(run)
    recipe, options = recall_command(run, RESUME)
    assert (recipe, options.data) == ("ssdlite320-lite0", [str(tmp_path / "cells")])


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("run", TrainingOptions("cells")),
        ("ssdlite320-lite0", RESUME),
        ("ssdlite320-lite0", TrainingOptions("cells", run="run", resume=True)),
    ],
)
def test_other_commands_stay_as_they_are(recipe, options):
    assert recall_command(recipe, options) == (recipe, options)


def test_a_run_without_a_record_is_resumed_by_its_command(run):
    file = RunFolder(run).command
    file.write_text("{}")
    with pytest.raises(ModelError, match=r"command\.json: damaged \('directory'\)"):
        recall_command(run, RESUME)
    file.unlink()
    with pytest.raises(ModelError, match=r"resume with that command and --run .*run --resume"):
        recall_command(run, RESUME)


def test_a_run_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="runs/gone: there is no such run to resume"):
        recall_command("runs/gone", RESUME)
