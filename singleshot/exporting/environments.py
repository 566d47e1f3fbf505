"""Environments of converters whose dependencies contradict this package's.

Such a converter is a script that runs in a Python environment of its own: the one that an
environment variable names, else the one in the cache folder, which is made on request.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from singleshot.errors import SingleshotError
from singleshot.exporting.external_programs import run_program
from singleshot.files import cache_folder, write_atomically

__all__ = ["ConverterEnvironment"]

_COMPLETE = "complete.json"  # in an environment whose packages are all installed


@dataclass(frozen=True)
class ConverterEnvironment:
    """A Python environment that one converter runs in."""

    name: str  # of its folder in the cache
    module: str  # that the script imports
    requirements: tuple[tuple[str, ...], ...]  # arguments of `pip install`, call by call
    size: str  # on disk, in words

    @property
    def variable(self) -> str:
        """The environment variable that names a Python, or the folder of an environment."""
        return f"SINGLESHOT_{self.name.upper()}_PYTHON"

    @property
    def folder(self) -> Path:
        """The folder in the cache."""
        return cache_folder() / "environments" / self.name

    def require(self, *, make: bool, notify: Callable[[str], None]) -> Path:
        """Return the Python of the environment, which is made where there is none and `make`.

        Raises:
            SingleshotError: there is none; the message has how to make it.
            RunFailed: a package could not be installed.
        """
        found = self.find()
        if found is not None:
            return found
        if not make:
            raise SingleshotError(
                f"{self.module} needs a Python environment of its own, {self.size}; make it with: "
                f"--make-environment, or name one that has it: {self.variable}=FOLDER"
            )
        return self._make(notify)

    def find(self) -> Path | None:
        """Find the Python of the environment; None where there is none.

        Raises SingleshotError where the variable names no Python.
        """
        if given := os.environ.get(self.variable):
            python = _python_of(Path(given).expanduser())
            if not python.is_file():
                raise SingleshotError(f"{self.variable}: no Python at {given}; give its folder")
            return python
        if find_spec(self.module) is not None:
            return Path(sys.executable)
        python = _python_of(self.folder)
        return python if self._is_complete() and python.is_file() else None

    def _is_complete(self) -> bool:
        """Return whether the environment was made to its end, for the present requirements."""
        try:
            made = json.loads((self.folder / _COMPLETE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return False
        return bool(made == self._record())

    def _record(self) -> dict[str, object]:
        """Return what is noted of a complete environment."""
        return {"requirements": [list(words) for words in self.requirements]}

    def _make(self, notify: Callable[[str], None]) -> Path:
        """Make the environment; one that is not complete is made again."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder.with_suffix(".lock")):
            if (found := self.find()) is not None:  # another process has made it
                return found
            notify(f"making the environment of {self.module} in {self.folder} ({self.size})")
            shutil.rmtree(self.folder, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(self.folder)], f"making {self.folder}")
            python = _python_of(self.folder)
            for words in self.requirements:
                _run([str(python), "-m", "pip", "install", "--quiet", *words], "pip install")
            with write_atomically(self.folder / _COMPLETE) as beside:
                beside.write_text(json.dumps(self._record()) + "\n", encoding="utf-8")
        return python

    def run(self, python: Path, script: Path, *arguments: str | Path) -> str:
        """Run a script in the environment, and return what it printed.

        Raises RunFailed, with its last lines, where it fails.
        """
        words = [str(python), str(script), *map(str, arguments)]
        return _run(words, f"{self.module} in {python}")

    def start(
        self, python: Path, script: Path, *arguments: str | Path, log: Path
    ) -> subprocess.Popen[str]:
        """Start a script in the environment, which answers lines of input by lines of output.

        What it prints as errors goes to the file `log`.
        """
        with log.open("w") as errors:
            return subprocess.Popen(
                [str(python), str(script), *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_variables(),
                text=True,
            )


def _python_of(place: Path) -> Path:
    """Locate the Python of an environment; a file is taken for the Python itself."""
    if place.is_dir():
        return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    return place


def _run(words: Sequence[str], what: str) -> str:
    """Run a program with the packages of its environment alone; RunFailed if it fails."""
    return run_program(words, what, environment=_variables())


def _variables() -> dict[str, str]:
    """Return the environment variables but those that lead to packages of other versions."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
