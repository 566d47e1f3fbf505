"""Options of `compare`, and of `compare --tutorial`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from singleshot.evaluation.options import MeasurementOptions
from singleshot.options import DataPaths, callback, option

__all__ = ["ComparisonOptions", "TutorialOptions"]


@dataclass(frozen=True)
class _SharedOptions(MeasurementOptions):
    """Images, rules and report of both."""

    # An option instead of an argument, because the models are arguments.
    data: DataPaths = field(
        default=(),
        metadata=option(
            "Folder or JSON file of annotated images; repeat it to join several by class name.",
            metavar="DATA",
        ),
    )
    report: str | Path | None = field(
        default=None,
        kw_only=True,
        metadata=option(
            "Folder for report.html, a page that needs no other file, and its numbers as JSON.",
            metavar="DIR",
        ),
    )
    progress: Callable[[int, int], None] | None = field(
        default=None,
        kw_only=True,
        metadata=callback("Called with (detections done, detections in all), in images."),
    )

    @property
    def page(self) -> Path | None:
        """Path of the page; None without a report."""
        return None if self.report is None else Path(self.report) / "report.html"


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions(_SharedOptions):
    """Options of one comparison."""

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
