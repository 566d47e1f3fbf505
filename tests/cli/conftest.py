"""Running the command line inside the test's own process."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from singleshot.cli import main


class Outcome(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def singleshot(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Call it with the words of a command line."""

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        return Outcome(int(exit_.value.code or 0), *capsys.readouterr())

    return run
