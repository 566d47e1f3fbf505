"""Options of `predict`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.errors import DataError
from singleshot.files import require_writable_folder
from singleshot.options import DEVICE, Device, Options, argument, callback, option
from singleshot.prediction.sources import drawing_paths, find_images

if TYPE_CHECKING:
    from singleshot.data.image_files.inputs import ImageLike, Images
    from singleshot.prediction.result import Result

    Sources = Images  # also folders and patterns
else:
    # Importing them would import PyTorch, for which `--help` does not wait.
    ImageLike = Sources = Result = Any

__all__ = ["PredictionOptions"]


@dataclass(frozen=True)
class PredictionOptions(Options):
    """Images to detect objects in, and which detections to keep."""

    source: Sources = field(
        metadata=argument(
            "Images, folders of images, or patterns.", metavar="SOURCE", cli_type=list[str]
        )
    )
    _: KW_ONLY
    score_threshold: float | None = field(
        default=None,
        metadata=option(
            "Lowest score of a detection. Default: the threshold of each class that `evaluate "
            "--threshold-rule` chose for the run, else 0.3.",
            metavar="T",
            minimum=0,
            maximum=1,
        ),
    )
    draw: str | Path | None = field(
        default=None,
        metadata=option("Write every image with its boxes into this folder.", metavar="DIR"),
    )
    device: Device = field(default="auto", metadata=DEVICE)
    on_result: Callable[[Result], None] | None = field(
        default=None, metadata=callback("Called with each result once it is there.")
    )
    on_broken: Callable[[DataError], None] | None = field(
        default=None,
        metadata=callback(
            "Called with the error of each image that cannot be read, which is then left out. "
            "Without it, the first such error is raised."
        ),
    )
    on_message: Callable[[str], None] | None = field(
        default=None, metadata=callback("Called with each message, such as the thresholds used.")
    )

    def __post_init__(self) -> None:
        """Raise DataError for missing images, SingleshotError where drawings cannot be written."""
        super().__post_init__()
        if self.draw is not None:
            require_writable_folder(Path(self.draw))
        _ = self.drawings

    @cached_property
    def images(self) -> list[ImageLike]:
        """Images of all sources, each file once."""
        if isinstance(self.source, str | Path):
            return find_images([self.source])
        if isinstance(self.source, list):
            return find_images(self.source)
        from singleshot.data.image_files.inputs import each_image  # noqa: PLC0415 (imports PyTorch)

        return find_images(each_image(self.source))

    @cached_property
    def drawings(self) -> list[Path] | None:
        """The path of each image's drawing; None without drawings."""
        images = self.images
        return None if self.draw is None else drawing_paths(images, Path(self.draw))
