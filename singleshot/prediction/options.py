"""Options of `predict`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.options import DEVICE, Device, Options, argument, callback, option
from singleshot.prediction.sources import drawing_paths, find_images

if TYPE_CHECKING:
    from singleshot.structures import Prediction
else:
    Prediction = Any  # importing it would import PyTorch, for which `--help` does not wait

__all__ = ["PredictionOptions"]


@dataclass(frozen=True)
class PredictionOptions(Options):
    """Images to detect objects in, and which detections to keep."""

    source: str | Path | Sequence[str | Path] = field(
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
    on_result: Callable[[Prediction], None] | None = field(
        default=None, metadata=callback("Called with each result once it is there.")
    )
    on_message: Callable[[str], None] | None = field(
        default=None, metadata=callback("Called with each message, such as the thresholds used.")
    )

    def __post_init__(self) -> None:
        """Raise DataError for missing images, SingleshotError for drawings over images."""
        super().__post_init__()
        _ = self.drawings

    @cached_property
    def images(self) -> list[Path]:
        """Images of all sources, each once."""
        source = self.source
        return find_images([source] if isinstance(source, str | Path) else source)

    @cached_property
    def drawings(self) -> list[Path] | None:
        """The path of each image's drawing; None without drawings."""
        images = self.images
        return None if self.draw is None else drawing_paths(images, Path(self.draw))
