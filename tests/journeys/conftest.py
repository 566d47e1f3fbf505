"""The program as a person starts it: a process of its own, in a folder with pictures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cells import make_cells


@pytest.fixture(scope="module")
def recipe() -> tuple[str, ...]:
    """A small detector on small batches."""
    return ("ssdlite320-lite0", "--set", "training.batch_size=3", "--set", "model.input=[96,128]")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data set `cells`."""
    folder = tmp_path_factory.mktemp("home")
    make_cells(folder / "cells")
    return folder


@pytest.fixture(scope="module")
def singleshot(home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Call it there with the words of a command line."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "singleshot", *words]
        return subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def train(
    recipe: tuple[str, ...], singleshot: Callable[..., subprocess.CompletedProcess[str]]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Train for two epochs."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return singleshot("train", *recipe, "--set", "training.epochs=2", *words)

    return run


@pytest.fixture(scope="module")
def cells_run(home: Path, train: Callable[..., subprocess.CompletedProcess[str]]) -> Path:
    """A finished run on the cells."""
    done = train("--data", "cells", "--run", "runs/cells")
    assert done.returncode == 0, done.stderr
    return home / "runs/cells"
