"""How results look: JSON for programs, aligned columns for people, notes beside both."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

__all__ = ["note", "number", "print_json", "stops_are_said", "table", "told_to_stop"]

LONGEST_CELL = 100
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
    from singleshot.training.interrupt import Stopped

    try:
        yield
    except Stopped as stop:
        if str(stop):
            note(str(stop))
        raise told_to_stop(stop.signal) from None


def told_to_stop(signal: int) -> typer.Exit:
    """Leave with the exit code of a program that a signal stopped."""
    return typer.Exit(BY_A_SIGNAL + signal)


def number(value: float | None) -> str:
    """Three decimals, and a dash where a number is undefined."""
    return "-" if value is None else f"{value:.3f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, the first to the left, the others to the right."""
    header, *rows = [[shortened(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(aligned(row, widths) for row in (header, *rows))


def shortened(cell: str) -> str:
    """Without its middle, if it is longer than a line."""
    return cell if len(cell) <= LONGEST_CELL else f"{cell[:40]} … {cell[-(LONGEST_CELL - 43) :]}"


def aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """One line of a table."""
    first, *others = (
        cell.rjust(width) if index else cell.ljust(width)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()
