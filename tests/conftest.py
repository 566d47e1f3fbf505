"""Fixtures of every test: real images, repeatable randomness; and which tests share a process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright
from xdist.scheduler import LoadScopeScheduling

# A timing is never a test: machines are busy.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

REPOSITORY = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Cameras whose frames the browser makes, and that no permission is needed for.
MADE_CAMERA = (
    "--use-fake-device-for-media-stream=device-count=2",
    "--use-fake-ui-for-media-stream",
)
# Modules of long tests that share no fixture, or only with tests of the same parameters.
SPREAD = {"test_code.py", "test_learning.py", "test_detectors.py"}


class ByModule(LoadScopeScheduling):
    """Keeps the tests of a module in one process, so that its fixtures are built once."""

    def _split_scope(self, nodeid: str) -> str:
        module, _, test = nodeid.partition("::")
        return module + test.partition("[")[2] if module.endswith(tuple(SPREAD)) else module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByModule:
    """Distribute modules over the processes of `pytest -n`."""
    return ByModule(config, log)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real data (SINGLESHOT_SHARED, else `shared` beside the repository).

    A test that uses it is skipped where the folder is absent; nothing is ever downloaded.
    """
    folder = Path(os.environ.get("SINGLESHOT_SHARED", REPOSITORY.parent / "shared")).resolve()
    if not (folder / "data").is_dir():
        pytest.skip(f"needs real data: no {folder / 'data'}; set SINGLESHOT_SHARED to its folder")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the system's own browser, without a window, with a camera; skip where there is none."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", *MADE_CAMERA]
        )
        yield launched
        launched.close()


@pytest.fixture
def random() -> torch.Generator:
    """Return a generator of random numbers, the same in every run."""
    return torch.Generator().manual_seed(0)
