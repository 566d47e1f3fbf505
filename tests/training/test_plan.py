"""What is measured before a run begins."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from cells import make_cells

import singleshot
from singleshot.training import plan
from singleshot.training import train as training


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
