"""Output of commands: JSON on stdout, messages on stderr, exit codes after a signal."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import typer

__all__ = ["exit_after_signal", "handle_interrupts", "note", "print_json"]

SIGNAL_EXIT = 128  # a shell adds the signal's number: 130 for Ctrl-C, 143 for SIGTERM


def print_json(document: object) -> None:
    """Print one JSON document on stdout; NaN in it is a bug."""
    typer.echo(json.dumps(document, indent=2, allow_nan=False))


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
