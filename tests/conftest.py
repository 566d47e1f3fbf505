"""What every test may ask for: real images, and randomness that can be repeated."""

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


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data (SINGLESHOT_SHARED, else `shared` beside the repository).

    A test that asks for it is skipped where the folder is absent; nothing is ever downloaded.
    """
    folder = Path(os.environ.get("SINGLESHOT_SHARED", REPOSITORY.parent / "shared")).resolve()
    if not (folder / "data").is_dir():
        pytest.skip(f"needs real data: no {folder / 'data'}; set SINGLESHOT_SHARED to its folder")
    return folder


@pytest.fixture
def random() -> torch.Generator:
    """Random numbers, the same in every run."""
    return torch.Generator().manual_seed(0)
