"""Fixtures of every test: real images, repeatable randomness; and which tests share a process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# A timing is never a test: machines are busy.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

REPOSITORY = Path(__file__).resolve().parent.parent
# Modules of long tests that share no fixture, or only with tests of the same recipe.
SPREAD = {"test_code", "test_learning", "test_detectors"}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a module in one process, so that its fixtures are built once."""
    for item in items:
        group = str(item.path.relative_to(REPOSITORY))
        if item.path.stem in SPREAD:
            parameters = getattr(item, "callspec", None)
            group += parameters.id if parameters else item.name
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real data (SINGLESHOT_SHARED, else `shared` beside the repository).

    A test that uses it is skipped where the folder is absent; nothing is ever downloaded.
    """
    folder = Path(os.environ.get("SINGLESHOT_SHARED", REPOSITORY.parent / "shared")).resolve()
    if not (folder / "data").is_dir():
        pytest.skip(f"needs real data: no {folder / 'data'}; set SINGLESHOT_SHARED to its folder")
    return folder


@pytest.fixture
def random() -> torch.Generator:
    """Return a generator of random numbers, the same in every run."""
    return torch.Generator().manual_seed(0)
