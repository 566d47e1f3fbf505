"""Every block of code in the documentation is run in order, as a reader would."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest
from cells import make_cells
from command_line import singleshot

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
# Pages whose blocks a shell runs as they are; elsewhere `singleshot` runs in this process, which
# spares each line the imports.
BY_SHELL = {"train-on-your-own-images"}
SPECIAL = re.compile(r"[|&;<>$`*]")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_runs(page, tmp_path, monkeypatch):
    make_cells(tmp_path / "cells")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("singleshot.plugins._extensions", [])  # what a page registers ends with it
    names: dict[str, object] = {}
    for block in blocks_of(page):
        if block.language == "python":
            run_python(block.code, names)
        elif page.stem in BY_SHELL:
            run_shell(block.code)
        else:
            run_lines(block.code)


def run_lines(code: str) -> None:
    """Run the commands of a block one by one, `singleshot` without a shell."""
    for line in filter(None, code.replace("\\\n", " ").splitlines()):
        if line.startswith("singleshot ") and not SPECIAL.search(line):
            outcome = singleshot(*shlex.split(line, comments=True)[1:])
            assert outcome.exit_code == 0, f"{line}\n{outcome.stdout}\n{outcome.stderr}"
        else:
            run_shell(line)


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
    """Run lines after those of the blocks before; their output is what the comments state."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<documentation>", "exec"), names)
    expected = PRINTS.findall(code)
    if expected:
        assert printed.getvalue().splitlines() == expected


def test_there_are_blocks_to_run():
    assert {page.stem for page in PAGES} >= {"train-on-your-own-images", "how-ssd-works"}
