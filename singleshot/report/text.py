"""Tables for a terminal."""

from collections.abc import Sequence

__all__ = ["number", "table"]

LONGEST_CELL = 100


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
