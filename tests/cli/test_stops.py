"""Ctrl-C and SIGTERM before a training began: the exit code, and what is true by then."""

# Tests singleshot/cli/train.py

from __future__ import annotations

import os
import signal

import pytest
from command_line import singleshot

from singleshot.training import train as training


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_while_preparing_nothing_is_there_to_be_resumed(
    tmp_path, monkeypatch, number, exit_code
):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(training, "training_split", lambda *_: os.kill(os.getpid(), number))
    monkeypatch.setattr("singleshot.cli.train.check_training", lambda *_: None)
    words = ("ssdlite320-lite0", "--data", "cells", "--run", str(tmp_path / "run"))
    assert singleshot("train", *words) == (
        exit_code,
        "",
        "Interrupted before the training began; the same command begins it.\n",
    )
    assert not (tmp_path / "run").exists()
    assert signal.getsignal(signal.SIGTERM) is before
