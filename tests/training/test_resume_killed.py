"""A training that is killed at any instant and resumed comes to the same, bit for bit."""

from functools import partial
from random import Random

import pytest
from cells import make_cells
from killing import METHODS, KilledRun, differences, kill_and_resume, log_without_timings
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from singleshot.data import shuffling
from singleshot.data.formats.shards.writing import write_shards
from singleshot.data.opening import open_dataset
from singleshot.data.shuffling import ShardWindow
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


# Over shards that are larger than the window.


def test_shards_with_repeats_are_resumed_at_the_very_sample(cells, tmp_path):
    dataset = open_dataset(cells, "train+val")
    splits = {"train": range(6), "val": [6, 7]}
    write_shards(dataset, tmp_path / "shards", splits=splits, shard_bytes=5_000)
    prepare = partial(prepare_window, tmp_path / "shards")
    # RBC, in five of the six images, come more often as well.
    overrides = {**EPOCHS, "training.repeat_threshold": 1.0}
    runs = [
        KilledRun(tmp_path / "shards", tmp_path / name, overrides, prepare)
        for name in ("whole", "killed")
    ]
    runs[0].train(None, METHODS.Array("c", 16, lock=False))
    assert kill_and_resume(runs[1], kills=2, longest=0.4, random=Random(1))
    assert differences(runs[0].run, runs[1].run) == []


def prepare_window(shards):
    """Make the window so small that the shards are larger."""
    shuffling.WINDOW_BYTES = 5_000
    window = ShardWindow.of(open_dataset(shards, "train").paths)
    assert window is not None
    assert window.num_active == 2
