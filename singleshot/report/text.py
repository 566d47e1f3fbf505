"""Tables for a terminal."""

from collections.abc import Sequence

__all__ = ["number", "short", "table"]

LONGEST_CELL = 100


def number(value: float | None) -> str:
    """Format with three decimals; a dash where undefined."""
    return "-" if value is None else f"{value:.3f}"


def short(value: float | None, undefined: str = "-") -> str:
    """Write at least three significant digits: 0.0123, 1.23, 12.3, 12,345; a dash for None."""
    if value is None:
        return undefined
    if value >= 100:
        return f"{value:,.0f}"
    if value < 1:
        return f"{value:#.3g}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns to their widest cell, the first to the left, the others to the right."""
    header, *rows = [[_shorten(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(_align(row, widths) for row in (header, *rows))


def _shorten(cell: str) -> str:
    """Cut the middle out of a cell longer than a line."""
    return cell if len(cell) <= LONGEST_CELL else f"{cell[:40]} … {cell[-(LONGEST_CELL - 43) :]}"


def _align(row: Sequence[str], widths: Sequence[int]) -> str:
    """Write one line of a table."""
    first, *others = (
        cell.rjust(width) if index else cell.ljust(width)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()
