"""Options of `data coverage`."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from singleshot.data.reading import ReadingOptions
from singleshot.errors import SingleshotError
from singleshot.files import require_writable
from singleshot.options import OVERRIDES, DataPaths, argument, callback, option
from singleshot.runs.callbacks import OnMessage
from singleshot.runs.reporting import WithMessages, WithPage
from singleshot.training.options import TRAINING_SPLIT

__all__ = ["CoverageOptions"]


@dataclass(frozen=True)
class CoverageOptions(WithPage, WithMessages, ReadingOptions):
    """Options of one measurement of coverage."""

    data: DataPaths = field(
        metadata=argument("Folder or file of annotated images.", metavar="DATA", cli_type=str)
    )
    _: KW_ONLY
    split: str | None = field(default=None, metadata=TRAINING_SPLIT)
    fit: str | Path | None = field(
        default=None,
        metadata=option(
            "Fit the priors to the objects, as many of them on each level as before, and write a "
            "recipe with them.",
            metavar="OUT.toml",
        ),
    )
    fit_input: bool = field(
        default=False,
        metadata=option(
            "With --fit, also give the input the images' aspect ratio, with as many pixels."
        ),
    )
    report: str | Path | None = field(
        default=None,
        metadata=option("Folder for report.html, a page that needs no other file.", metavar="DIR"),
    )
    overrides: Mapping[str, object] | Sequence[str] = field(default=(), metadata=OVERRIDES)
    on_message: OnMessage | None = field(
        default=None, metadata=callback("Called with each message, such as which split was taken.")
    )

    def __post_init__(self) -> None:
        """Raise SingleshotError for a value or path that cannot be used."""
        super().__post_init__()
        if self.fit_input and self.fit is None:
            raise SingleshotError("--fit-input changes the recipe that --fit OUT.toml writes")
        for path in (self.page, self.fit):
            if path is not None:
                require_writable(Path(path))
