"""Programs of other projects that convert models, run as processes of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from singleshot.errors import RunFailed

__all__ = ["last_lines", "run_program"]

_LAST_LINES = 4  # of the output of a program that failed


def run_program(
    words: Sequence[str],
    what: str,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program, and return what it printed.

    Args:
        words: the program and its arguments.
        what: names it in errors.
        folder: that it runs in.
        environment: variables; left out, those of this process.

    Raises:
        RunFailed: it failed, with its last lines, or cannot be run.
    """
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise RunFailed(f"{what}: {words[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        reason = last_lines(done.stdout + done.stderr) or f"exit code {done.returncode}"
        raise RunFailed(f"{what} failed:\n{reason}")
    return done.stdout


def last_lines(printed: str) -> str:
    """Return the end of what a program printed, where it states why it failed."""
    return "\n".join([line for line in printed.splitlines() if line.strip()][-_LAST_LINES:])
