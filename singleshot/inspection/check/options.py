"""Options of `data check`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from singleshot.data.reading import ReadingOptions
from singleshot.errors import SingleshotError
from singleshot.files import require_empty_folder, require_writable
from singleshot.options import DEVICE, Device, callback, option
from singleshot.runs.callbacks import OnMessage
from singleshot.runs.reporting import WithPage, WithProgress

__all__ = ["CheckOptions"]


@dataclass(frozen=True, kw_only=True)
class CheckOptions(WithPage, WithProgress, ReadingOptions):
    """Options of one check."""

    split: str | None = field(
        default=None,
        metadata=option(
            "Check this split alone; a+b joins two. Default: all, and whether they share images."
        ),
    )
    quick: bool = field(
        default=False,
        metadata=option("Decode no image: leave out duplicates, and damage that no header shows."),
    )
    model: str | Path | None = field(
        default=None,
        metadata=option(
            "Also find objects on which this trained model and the annotation disagree.",
            flag="--with",
            metavar="MODEL",
        ),
    )
    fix: str | Path | None = field(
        default=None,
        metadata=option(
            "Write a fixed copy into this new or empty folder, with a log, fixes.csv.",
            metavar="OUT",
        ),
    )
    keep_classes: bool = field(
        default=False,
        metadata=option("With --fix: keep classes apart that differ by case or spaces alone."),
    )
    report: str | Path | None = field(
        default=None,
        metadata=option(
            "Folder for report.html, a page with the images that the findings are about.",
            metavar="DIR",
        ),
    )
    device: Device = field(default="auto", metadata=DEVICE)
    on_message: OnMessage | None = field(
        default=None, metadata=callback("Called with each message, such as what is left out.")
    )
    progress: bool | Callable[[int, int], None] | None = field(
        default=None,
        metadata=callback(
            "Show progress and messages; or a function, called with (images done, images in all). "
            "Default: shown on terminals and in notebooks."
        ),
    )

    def __post_init__(self) -> None:
        """Raise SingleshotError for a value or path that cannot be used."""
        super().__post_init__()
        if self.keep_classes and self.fix is None:
            raise SingleshotError("--keep-classes is about the copy that --fix OUT writes")
        if self.page is not None:
            require_writable(self.page)
        if self.fix is not None:
            require_empty_folder(Path(self.fix))
