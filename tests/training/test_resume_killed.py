"""A training that is killed at any instant and resumed comes to the same, bit for bit."""

from random import Random

import pytest
from cells import make_cells
from killing import METHODS, KilledRun, differences, kill_and_resume, log_without_timings
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from singleshot.runs.folder import RunFolder

EPOCHS = {"training.epochs": 4}  # 8 steps, 2 validations


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


@pytest.fixture(scope="module")
def whole(cells, tmp_path_factory):
    """A training that nobody killed."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    KilledRun(cells, run, EPOCHS).train(None, METHODS.Array("c", 16, lock=False))
    return run


@pytest.fixture(scope="module")
def killed(cells, tmp_path_factory):
    """The same, killed up to four times."""
    run = tmp_path_factory.mktemp("runs") / "killed"
    came_into = kill_and_resume(
        KilledRun(cells, run, EPOCHS), kills=4, longest=0.4, random=Random(0)
    )
    assert came_into
    return run


def test_killed_and_resumed_is_as_if_never_killed(whole, killed):
    assert differences(whole, killed) == []


def test_nothing_is_left_beside_the_files(killed):
    assert list(killed.rglob(".*.part")) == []


def test_tensorboard_shows_each_step_once(killed):
    shown = EventAccumulator(str(RunFolder(killed).tensorboard)).Reload()
    steps = [point.step for point in shown.Scalars("gradient_norm")]
    assert steps == [1, 2, 3, 4, 5, 6, 7, 8]
    validations = [point.step for point in shown.Scalars("validation/mean_average_precision")]
    logged = [r["step"] for r in log_without_timings(killed) if r["kind"] == "evaluation"]
    assert validations == logged == [4, 8]
