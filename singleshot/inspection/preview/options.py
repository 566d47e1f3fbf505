"""Options of `data preview`."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from singleshot.data.reading import ReadingOptions
from singleshot.files import require_writable_folder
from singleshot.options import OVERRIDES, DataPaths, argument, callback, option
from singleshot.runs.callbacks import OnMessage
from singleshot.runs.reporting import WithMessages
from singleshot.training.options import TRAINING_SPLIT

__all__ = ["PreviewOptions"]


@dataclass(frozen=True)
class PreviewOptions(WithMessages, ReadingOptions):
    """Options of one preview."""

    data: DataPaths = field(
        metadata=argument("Folder or file of annotated images.", metavar="DATA", cli_type=str)
    )
    output: str | Path = field(metadata=argument("Folder for the images.", metavar="OUT"))
    _: KW_ONLY
    split: str | None = field(default=None, metadata=TRAINING_SPLIT)
    number: int = field(
        default=8,
        metadata=option("Samples to draw, at most 100.", metavar="N", minimum=1, maximum=100),
    )
    seed: int | None = field(
        default=None,
        metadata=option("Seed of the samples; default: the recipe's.", metavar="N", minimum=0),
    )
    with_model: str | Path | None = field(
        default=None,
        metadata=option(
            "Mark the hard negatives that this run or checkpoint mines.",
            flag="--with",
            metavar="MODEL",
        ),
    )
    report: bool = field(
        default=False, metadata=option("Also write OUT/report.html, a page with all samples.")
    )
    overrides: Mapping[str, object] | Sequence[str] = field(default=(), metadata=OVERRIDES)
    on_message: OnMessage | None = field(
        default=None, metadata=callback("Called with each message, such as which split was taken.")
    )

    def __post_init__(self) -> None:
        """Raise SingleshotError for a value or path that cannot be used."""
        super().__post_init__()
        require_writable_folder(Path(self.output))

    @property
    def page(self) -> Path | None:
        """Path of the page; None without a report."""
        return Path(self.output) / "report.html" if self.report else None
