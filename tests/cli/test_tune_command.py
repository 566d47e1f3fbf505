from __future__ import annotations

import shlex

import pytest
from cells import make_cells
from command_line import singleshot
from searches import fake_train

from singleshot.tuning import tune as tuning

pytest.importorskip("optuna", reason="needs Optuna: pip install 'singleshot[tune]'")


@pytest.fixture
def home(tmp_path, monkeypatch):
    make_cells(tmp_path / "cells")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tuning, "train", fake_train())
    return tmp_path


def test_the_paths_and_the_best_score_are_on_stdout(home):
    done = singleshot("tune", "ssdlite320-lite0", "--data", "cells", "--trials", "2", "--run", "s")
    assert done.exit_code == 0, done.stderr
    lines = dict(line.split(": ") for line in done.stdout.splitlines())
    assert list(lines) == ["recipe", "best trial", "validation mAP", "report"]
    assert (home / lines["recipe"]).is_file()
    assert (home / lines["report"]).is_file()


@pytest.mark.usefixtures("home")
def test_a_search_that_ran_out_of_time_explains_how_to_resume(monkeypatch):
    monkeypatch.setattr(tuning, "train", fake_train(seconds=0.4))
    words = "tune ssdlite320-lite0 --data cells --trials 9 --run s --timeout 0.2s"
    done = singleshot(*words.split())
    assert "Not all trials are done; repeat the same command with --run s to resume." in done.stderr


def test_the_command_on_the_page_repeats_the_search(home):
    words = "tune ssdlite320-lite0 --data cells --trials 1 --run s --set training.epochs=3"
    assert singleshot(*words.split()).exit_code == 0
    page = (home / "s/report.html").read_text()
    command = page.partition("Made by <code>")[2].partition("</code>")[0]
    for option in ("--data cells", "--run s", "--set training.epochs=3"):
        assert option in command
    again = singleshot(*shlex.split(command.replace("&#34;", '"').replace("&#39;", "'"))[1:])
    assert again.exit_code == 0, again.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--trials 0", "greater than or equal to 1"),
        ("--trials 1 --timeout 20", "no time; write 90s"),
        ("--trials 1 --keep nothing", "'nothing' is not one of"),
        ("--trials 1 --val-split test", "the test images are for one evaluation"),
    ],
)
@pytest.mark.usefixtures("home")
def test_impossible_options_are_refused(words, message):
    done = singleshot("tune", "ssdlite320-lite0", "--data", "cells", *words.split())
    assert done.exit_code == 2
    assert message in done.stderr
