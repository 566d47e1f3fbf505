"""Output of commands: results on stdout, messages on stderr, exit codes after a signal."""

import io
import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from singleshot.errors import RunFailed

__all__ = [
    "abandon_stdout",
    "exit_after_signal",
    "flush_results",
    "handle_interrupts",
    "note",
    "prepare_streams",
    "print_json",
    "print_result",
    "printing_json_list",
]

SIGNAL_EXIT = 128  # a shell adds the signal's number: 130 for Ctrl-C, 143 for SIGTERM


def prepare_streams() -> None:
    """Escape what stdout cannot encode; RunFailed where stdout is closed.

    Without stdout the next file that is opened would receive what libraries print.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (to the end)
    if sys.stdout is None:
        raise RunFailed(
            "stdout is closed: nowhere to write the results; redirect it to a file or to /dev/null"
        )
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def _explaining_lost_results() -> Iterator[None]:
    """Turn a failure of stdout into RunFailed; BrokenPipeError, as after `| head`, stays."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon_stdout()
        raise RunFailed(
            f"stdout does not take the results: {error.strerror or error}; redirect it elsewhere"
        ) from error


def print_result(text: str, end: str = "\n") -> None:
    """Print a result on stdout."""
    with _explaining_lost_results():
        typer.echo(text + end, nl=False)


def flush_results() -> None:
    """Write out what is buffered for stdout."""
    with _explaining_lost_results():
        sys.stdout.flush()


def abandon_stdout() -> None:
    """Let Python's flush of stdout on its way out not fail again."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 (a device)
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def print_json(document: object) -> None:
    """Print one JSON document on stdout; NaN in it is a bug."""
    print_result(json.dumps(document, indent=2, allow_nan=False))


@contextmanager
def printing_json_list() -> Iterator[Callable[[object], None]]:
    """Print a JSON list entry by entry, as each is passed to the function that this yields.

    The list is closed in any case but one: an error before the first entry leaves stdout empty.
    """
    count = 0

    def print_entry(entry: object) -> None:
        nonlocal count
        text = json.dumps(entry, indent=2, allow_nan=False)
        print_result((",\n" if count else "[\n") + textwrap.indent(text, "  "), end="")
        count += 1

    failed = True
    try:
        yield print_entry
        failed = False
    finally:
        if count:
            print_result("\n]")
        elif not failed:
            print_result("[]")


def note(message: str) -> None:
    """Print a message on stderr; stdout is for results."""
    typer.echo(message, err=True)


@contextmanager
def handle_interrupts() -> Iterator[None]:
    """On Ctrl-C or SIGTERM, print what is left to do and exit with the code of the signal."""
    from singleshot.training.interrupt import Interrupted

    try:
        yield
    except Interrupted as stop:
        if str(stop):
            note(str(stop))
        raise exit_after_signal(stop.signal) from None


def exit_after_signal(signal: int) -> typer.Exit:
    """Make the exit with the code of a program that a signal interrupted."""
    return typer.Exit(SIGNAL_EXIT + signal)
