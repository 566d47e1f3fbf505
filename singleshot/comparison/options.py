"""Options of `compare`, and of `compare --tutorial`."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Literal

from singleshot.options import Options, callback, option

__all__ = ["ComparisonOptions", "TutorialOptions"]


@dataclass(frozen=True)
class _SharedOptions(Options):
    """Options of both: the images and the rules to evaluate by."""

    data: str | Path | Sequence[str | Path] = field(
        default=(),
        metadata=option(
            "Folder or JSON file of annotated images; several are joined by class name.",
            metavar="DATA",
        ),
    )
    _: KW_ONLY
    split: str | None = field(
        default=None, metadata=option("Split to evaluate on; default: test, else val, else all.")
    )
    protocol: Literal["voc07", "voc10", "coco"] = field(
        default="coco",
        metadata=option("Evaluation rules: VOC with 11 points or with every point, or COCO."),
    )
    report: str | Path | None = field(
        default=None,
        metadata=option(
            "Folder for report.html, a page that needs no other file, and its numbers as JSON.",
            metavar="DIR",
        ),
    )
    progress: Callable[[int, int], None] | None = field(
        default=None,
        metadata=callback("Called with (detections done, detections in all), in images."),
    )
    on_message: Callable[[str], None] | None = field(
        default=None, metadata=callback("Called with each message for the user.")
    )

    @property
    def page(self) -> Path | None:
        """Path of the page, if there is to be one."""
        return None if self.report is None else Path(self.report) / "report.html"

    def notify(self, message: str) -> None:
        """Pass a message to the user."""
        if self.on_message is not None:
            self.on_message(message)


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions(_SharedOptions):
    """Options of one comparison."""

    iou_threshold: float = field(
        default=0.5,
        metadata=option(
            "IoU from which a detection is a true positive; COCO's twelve numbers keep their own.",
            metavar="T",
            minimum=0.01,
            maximum=1,
        ),
    )
    speed_images: int = field(
        default=20,
        metadata=option(
            "Images that each detector is timed on, one by one.", metavar="N", minimum=1
        ),
    )
    published: bool = field(
        default=False,
        metadata=option("Also quote published numbers of the original systems, with their source."),
    )


@dataclass(frozen=True, kw_only=True)
class TutorialOptions(_SharedOptions):
    """Options of the tutorial's tables; runs are given by the name of their recipe."""

    systems: Sequence[str] | None = field(
        default=None,
        metadata=callback("Recipes of the systems to measure; default: all that have a recipe."),
    )
