"""The parity of an exported model as a table: the detector beside the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from singleshot.report.text import table

__all__ = ["format_parity", "parity_rows"]

PHASES = ("preprocess", "network", "postprocess", "total")


def format_parity(parity: Mapping[str, Any]) -> str:
    """Lay out the parity of a manifest as text."""
    return table(["", "PyTorch", "exported"], list(parity_rows(parity)))


def parity_rows(parity: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield quantity, number of the detector and number of the model."""
    for kind, errors in parity.get("outputs", {}).items():
        error, relative = errors["max_error"], errors["relative_rms"]
        yield [f"largest error of {kind}", "", f"{error:.1e}"]
        yield [f"relative RMS error of {kind}", "", f"{relative:.1e}"]
    if (same := parity.get("same_detections")) is not None:
        yield ["images with the same detections", "", f"{same} of {parity['images']}"]
    if precision := parity.get("average_precision"):
        name = f"AP, {precision['images']} images"
        yield [name, _number(precision["pytorch"], 4), _number(precision["exported"], 4)]
    sizes = parity["size_mb"]
    yield ["size, MB", _number(sizes["pytorch"], 1), _number(sizes["exported"], 1)]
    for name, number in parity.get("estimates", {}).items():
        yield [f"{name.replace('_', ' ')}, estimated", "", f"{number:,}"]
    if latency := parity.get("latency_ms"):
        threads = latency["threads"]
        of = f", {threads} thread{'s' * (threads > 1)}" if threads else ""
        for phase in PHASES:
            before, after = latency["pytorch"][phase], latency["exported"][phase]
            yield [f"{phase}, ms{of}", _number(before, 1), _number(after, 1)]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
