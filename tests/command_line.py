"""Running the program inside the test's own process, which spares every test the imports."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from singleshot.cli import main

__all__ = ["Outcome", "change_folder", "help_examples", "singleshot"]


class Outcome(NamedTuple):
    """What a person sees of a command."""

    exit_code: int
    stdout: str
    stderr: str


def singleshot(*words: str) -> Outcome:
    """Call it with the words of a command line."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        pytest.raises(SystemExit) as exit_,
    ):
        main(words)
    return Outcome(int(exit_.value.code or 0), stdout.getvalue(), stderr.getvalue())


@contextlib.contextmanager
def change_folder(folder: Path) -> Iterator[None]:
    """Work in another folder for a while; `contextlib.chdir` of Python 3.11."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def help_examples(command: str) -> list[list[str]]:
    """The words of the commands that end a help text."""
    text = singleshot(*command.split(), "--help").stdout
    return [shlex.split(line) for line in text.partition("Examples:")[2].splitlines() if line]
