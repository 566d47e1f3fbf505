"""Options of an evaluation: which images, by which rules, and what to report besides."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from singleshot.data.reading import ReadingOptions
from singleshot.files import require_existing, require_writable
from singleshot.options import DEVICE, DataPaths, Device, argument, callback, option
from singleshot.prediction.tile_options import WithTiles
from singleshot.runs.callbacks import OnMessage
from singleshot.runs.reporting import WithPage, WithProgress

if TYPE_CHECKING:
    from singleshot.metrics import Rule

__all__ = ["EvaluationOptions", "MeasurementOptions", "ProtocolName", "ScoreOptions"]

ProtocolName = Literal["voc07", "voc10", "coco"]


@dataclass(frozen=True)
class MeasurementOptions(WithPage, WithProgress, ReadingOptions):
    """Images, rules and report, shared by `evaluate`, `score` and `compare`."""

    data: DataPaths = field(
        metadata=argument("Folder or file of annotated images.", metavar="DATA", cli_type=str)
    )
    _: KW_ONLY
    split: str | None = field(
        default=None,
        metadata=option("Split to evaluate; a+b joins two. Default: test, else val, else all."),
    )
    protocol: ProtocolName = field(
        default="coco",
        metadata=option(
            "Average precision by PASCAL VOC 2007 (11 points), VOC 2010 (all points) or COCO."
        ),
    )
    iou_threshold: float = field(
        default=0.5,
        metadata=option(
            "Lowest IoU of a true positive; COCO's own twelve numbers keep theirs.",
            metavar="T",
            minimum=0.01,
            maximum=1,
        ),
    )
    report: str | Path | None = field(
        default=None,
        metadata=option(
            "Folder for report.html, a page that needs no other file; compare adds JSON.",
            metavar="DIR",
        ),
    )
    on_message: OnMessage | None = field(
        default=None, metadata=callback("Called with each message, such as which split was taken.")
    )

    progress: bool | Callable[[int, int], None] | None = field(
        default=None,
        metadata=callback(
            "Show progress and messages, such as the split taken; or a function, called with "
            "(images done, images in all). Default: shown on terminals and in notebooks."
        ),
    )


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(MeasurementOptions):
    """Options of `score`, and of `evaluate` once the detections are there."""

    diagnose: bool = field(
        default=False,
        metadata=option(
            "Report error types, confusion, calibration, slices and suspected label errors."
        ),
    )
    attributes: str | Path | None = field(
        default=None,
        metadata=option(
            "CSV table of images, with their folders where names repeat, and their attributes "
            "(image,weather): diagnose by each.",
            metavar="FILE",
        ),
    )
    against: str | Path | None = field(
        default=None,
        metadata=option(
            "Other detections on the same images: difference in AP with a 95 % interval.",
            metavar="PREDICTIONS",
        ),
    )
    threshold_rule: str | None = field(
        default=None,
        metadata=option(
            "Choose a score threshold for each class: precision=0.95, recall=0.9, fppi=0.1 (false "
            "positives per image) or f1. A run keeps them, and predict uses them.",
            metavar="RULE",
        ),
    )

    def __post_init__(self) -> None:
        """Raise SingleshotError for a value, rule or path that cannot be used."""
        super().__post_init__()
        for path in (self.attributes, self.against):
            if path is not None:
                require_existing(Path(path))
        self.parse_threshold_rule()
        if self.page is not None:
            require_writable(self.page)

    def parse_threshold_rule(self) -> "Rule | None":
        """Parse `threshold_rule`; raises SingleshotError, naming the rules there are."""
        if self.threshold_rule is None:
            return None
        # Imports NumPy and PyTorch, for which `--help` does not wait.
        from singleshot.metrics import Rule  # noqa: PLC0415

        return Rule.parse(self.threshold_rule)


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions(WithTiles, ScoreOptions):
    """Options of `evaluate`."""

    save_predictions: str | Path | None = field(
        default=None,
        metadata=option("Save the detections as COCO results JSON.", metavar="FILE"),
    )
    device: Device = field(default="auto", metadata=DEVICE)

    def __post_init__(self) -> None:
        """Raise SingleshotError for a value, rule or path that cannot be used."""
        super().__post_init__()
        if self.save_predictions is not None:
            require_writable(Path(self.save_predictions))
