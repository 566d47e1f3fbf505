"""Every block of code in the documentation is run in order, as a reader would."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest
from cells import make_cells

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^( *)```(shell|python)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
PRINTS = re.compile(r"# prints (.*)$", re.MULTILINE)


class Block(NamedTuple):
    language: str
    code: str


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page that are code, top to bottom."""
    return [Block(found[2], dedent(found[3])) for found in BLOCK.finditer(page.read_text())]


PAGES = [page for page in sorted(DOCS.rglob("*.md")) if blocks_of(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_runs(page, tmp_path, monkeypatch):
    make_cells(tmp_path / "cells")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks_of(page):
        if block.language == "shell":
            run_shell(block.code)
        else:
            run_python(block.code, names)


def run_shell(code: str) -> None:
    """Run what a reader would paste, with `singleshot` where a shell finds it."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-e", "-c", code],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


def run_python(code: str, names: dict[str, object]) -> None:
    """Run lines after those of the blocks before; they print what they say they print."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<documentation>", "exec"), names)
    promised = PRINTS.findall(code)
    if promised:
        assert printed.getvalue().splitlines() == promised


def test_there_are_blocks_to_run():
    assert {page.stem for page in PAGES} >= {"train-on-your-own-images", "how-ssd-works"}
