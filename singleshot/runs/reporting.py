"""Messages, progress and page of a command, as methods that the options of several share.

The fields stay with each command, which has its own words and order for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from singleshot.options import Options
from singleshot.runs.callbacks import OnMessage

__all__ = ["WithMessages", "WithPage", "WithProgress"]

Chosen = TypeVar("Chosen", bound="WithProgress")


class WithMessages(Options):
    """Options with a field `on_message`."""

    on_message: OnMessage | None

    def notify(self, message: str) -> None:
        """Call `on_message`, if there is one."""
        if self.on_message is not None:
            self.on_message(message)


class WithProgress(WithMessages):
    """Options with fields `on_message` and `progress`, for a display of images done."""

    progress: bool | Callable[[int, int], None] | None

    def notify_progress(self, done: int, total: int) -> None:
        """Call `progress` with a number of images, if it is a function."""
        if callable(self.progress):
            self.progress(done, total)

    @contextmanager
    def displayed(self: Chosen) -> Iterator[Chosen]:
        """Yield these options with the functions of a display, where progress is to be shown."""
        # Imports rich, for which `--help` does not wait.
        from singleshot.runs.display import image_display  # noqa: PLC0415

        with image_display(self.progress, self.on_message) as display:
            yield self.with_callbacks(**display._asdict())


class WithPage(Options):
    """Options with a field `report`, the folder of a page."""

    report: str | Path | None

    @property
    def page(self) -> Path | None:
        """Path of the report page; None without a report."""
        return None if self.report is None else Path(self.report) / "report.html"
