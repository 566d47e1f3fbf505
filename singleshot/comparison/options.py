"""Options of `compare`, and of `compare --tutorial`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from singleshot.evaluation.options import MeasurementOptions
from singleshot.options import DATA, DEVICE, DataPaths, Device, callback, option

__all__ = ["ComparisonOptions", "TutorialOptions"]


@dataclass(frozen=True)
class _SharedOptions(MeasurementOptions):
    """Images, rules and progress of both."""

    # An option instead of an argument, because the models are arguments.
    data: DataPaths = field(default=(), metadata=DATA)
    device: Device = field(default="auto", kw_only=True, metadata=DEVICE)


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
