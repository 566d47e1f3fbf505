"""How results look: JSON for programs, aligned columns for people, notes beside both."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import typer

__all__ = ["note", "print_json", "stops_are_said", "told_to_stop"]

BY_A_SIGNAL = 128  # a shell adds the signal's number: 130 for Ctrl-C, 143 for SIGTERM


def print_json(document: object) -> None:
    """The one document on stdout; a value that JSON cannot hold is a mistake of ours."""
    typer.echo(json.dumps(document, indent=2, allow_nan=False))


def note(message: str) -> None:
    """Tell the person, leaving stdout to the results."""
    typer.echo(message, err=True)


@contextmanager
def stops_are_said() -> Iterator[None]:
    """Say what was left to do when Ctrl-C or SIGTERM came, and leave."""
    from singleshot.training.interrupt import Interrupted

    try:
        yield
    except Interrupted as stop:
        if str(stop):
            note(str(stop))
        raise told_to_stop(stop.signal) from None


def told_to_stop(signal: int) -> typer.Exit:
    """Leave with the exit code of a program that a signal stopped."""
    return typer.Exit(BY_A_SIGNAL + signal)
