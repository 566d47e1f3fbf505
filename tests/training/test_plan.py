"""What is measured before a run begins."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
from cells import make_cells

import singleshot
from singleshot.data.batching import TrainingBatches
from singleshot.data.dataset import DataSet
from singleshot.recipes.load import load_recipe
from singleshot.runs.progress import TrainingProgress
from singleshot.training import plan
from singleshot.training import train as training
from singleshot.training.loop import Training


def test_measurements_keep_memory_as_the_run_does(tmp_path, monkeypatch):
    kept = []

    @contextmanager
    def keeping():
        kept.append(True)
        yield
        kept.pop()

    def measure(*_):
        raise KeyError(len(kept))

    monkeypatch.setattr(training, "keeping_memory", keeping)
    monkeypatch.setattr(training, "resolve_plan", measure)
    cells = make_cells(tmp_path / "cells")
    with pytest.raises(KeyError, match="1"):
        singleshot.train("ssdlite320-lite0", cells, run=tmp_path / "run")


def test_decoding_is_measured_on_images_as_they_are_cached(tmp_path, monkeypatch):
    def measure(images):
        raise KeyError(str(images[0].image.shape))

    monkeypatch.setattr(plan, "seconds_per_decode", measure)
    cells = make_cells(tmp_path / "cells")
    overrides = {"training.cache_side": 48}
    with pytest.raises(KeyError, match=r"\[3, 48, 64\]"):
        singleshot.train(
            "ssdlite320-lite0", cells, run=tmp_path / "run", overrides=overrides, time_budget=60.0
        )


def test_a_time_budget_adds_no_steps_to_a_run_that_lacks_its_last_validation(monkeypatch):
    lengths = []
    monkeypatch.setattr(Training, "change_num_steps", lambda _, number: lengths.append(number))
    training, batches = object.__new__(Training), object.__new__(TrainingBatches)
    training.progress = TrainingProgress(step=10, num_steps=10, best=None, data="")
    images = object.__new__(DataSet)
    resumed = plan.TrainingPlan(load_recipe("ssdlite320-lite0"), images, num_steps=7)
    assert resumed.in_time(training, batches) is batches
    assert lengths == []
    training.progress = replace(training.progress, step=4)
    resumed.in_time(training, batches)
    assert lengths == [11]
