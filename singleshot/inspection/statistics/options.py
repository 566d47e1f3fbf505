"""Options of `data stats`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from singleshot.data.reading import ReadingOptions
from singleshot.files import require_writable
from singleshot.options import callback, option
from singleshot.runs.callbacks import OnMessage
from singleshot.runs.reporting import WithMessages, WithPage

__all__ = ["StatisticsOptions"]


@dataclass(frozen=True, kw_only=True)
class StatisticsOptions(WithPage, WithMessages, ReadingOptions):
    """Options of one description of a data set."""

    split: str | None = field(
        default=None,
        metadata=option("Split to describe; a+b joins two. Default: everything, by split."),
    )
    report: str | Path | None = field(
        default=None,
        metadata=option("Folder for report.html, a page that needs no other file.", metavar="DIR"),
    )
    seed: int = field(
        default=0,
        metadata=option(
            "Seed of the choice of samples on the page.",
            metavar="N",
            minimum=0,
            maximum=2**63 - 1,
        ),
    )
    on_message: OnMessage | None = field(
        default=None, metadata=callback("Called with each message, such as the format found.")
    )

    def __post_init__(self) -> None:
        """Raise SingleshotError for a value or path that cannot be used."""
        super().__post_init__()
        if self.page is not None:
            require_writable(self.page)
