"""A folder with images, and a detector trained on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cells import make_cells
from command_line import Outcome, change_folder, singleshot


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data set `cells`."""
    folder = tmp_path_factory.mktemp("home")
    make_cells(folder / "cells")
    return folder


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every journey begins in that folder."""
    monkeypatch.chdir(home)


@pytest.fixture(scope="package")
def recipe() -> tuple[str, ...]:
    """A small detector on small batches, for two epochs."""
    settings = ("training.batch_size=3", "training.epochs=2", "model.input=[96,128]")
    return ("ssdlite320-lite0", *(word for setting in settings for word in ("--set", setting)))


@pytest.fixture(scope="package")
def train(recipe: tuple[str, ...]) -> Callable[..., Outcome]:
    """Train it, with more words on the command line."""
    return lambda *words: singleshot("train", *recipe, *words)


@pytest.fixture(scope="package")
def cells_run(home: Path, train: Callable[..., Outcome]) -> str:
    """A finished run on the cells."""
    with change_folder(home):
        done = train("--data", "cells", "--run", "runs/cells")
    assert done.exit_code == 0, done.stderr
    return "runs/cells"
