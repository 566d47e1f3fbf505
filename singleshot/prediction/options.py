"""Options of `predict`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.errors import DataError, SingleshotError
from singleshot.files import require_writable, require_writable_folder
from singleshot.options import DEVICE, Device, argument, callback, option
from singleshot.prediction.sources import FoundSources, drawing_paths, find_sources
from singleshot.prediction.tile_options import WithTiles
from singleshot.prediction.tracking_options import WithTracking
from singleshot.video.containers import require_videos
from singleshot.video.sources import VideoSource

if TYPE_CHECKING:
    from singleshot.data.image_files.inputs import ImageLike, Images
    from singleshot.prediction.result import Result

    Sources = Images | int  # also folders, patterns, videos and the numbers of cameras
else:
    # Importing them would import PyTorch, for which `--help` does not wait.
    ImageLike = Sources = Result = Any

__all__ = ["PredictionOptions"]


@dataclass(frozen=True)
class PredictionOptions(WithTiles, WithTracking):
    """Images and videos to detect objects in, and which detections to keep."""

    source: Sources = field(
        metadata=argument(
            "Images, folders of images, patterns, video files, cameras by number (0), or streams "
            "(rtsp://…, http://…).",
            metavar="SOURCE",
            cli_type=list[str],
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
        metadata=option(
            "Write every image with its boxes into this folder; of a video, a film.", metavar="DIR"
        ),
    )
    jsonl: str | Path | None = field(
        default=None,
        metadata=option(
            "Write the results into this file as JSON lines, one for each image or frame as soon "
            "as it is there.",
            metavar="FILE",
        ),
    )
    frame_step: int = field(
        default=1,
        metadata=option("Of a video, take every N-th frame.", metavar="N", minimum=1),
    )
    max_frames: int | None = field(
        default=None,
        metadata=option("End a video after so many frames.", metavar="N", minimum=1),
    )
    frame_batch: int = field(
        default=1,
        metadata=option(
            "Detect in so many frames of a video file at once, which a GPU is faster with.",
            metavar="N",
            minimum=1,
        ),
    )
    reconnect_seconds: float = field(
        default=60.0,
        metadata=option(
            "Seconds without a frame in which a camera or stream that broke is connected to again.",
            metavar="S",
            minimum=0,
            unit="seconds",
        ),
    )
    device: Device = field(default="auto", metadata=DEVICE)
    on_result: Callable[[Result], None] | None = field(
        default=None, metadata=callback("Called with each result once it is there.")
    )
    on_broken: Callable[[DataError], None] | None = field(
        default=None,
        metadata=callback(
            "Called with the error of each image or video that cannot be read, which is then left "
            "out. Without it, the first such error is raised."
        ),
    )
    on_message: Callable[[str], None] | None = field(
        default=None, metadata=callback("Called with each message, such as the thresholds used.")
    )
    should_stop: Callable[[], bool] | None = field(
        default=None,
        metadata=callback(
            "Called before each image or frame, and while a stream is waited for; True ends the "
            "prediction."
        ),
    )

    def __post_init__(self) -> None:
        """Raise DataError for missing sources, SingleshotError where results cannot be written."""
        super().__post_init__()
        if self.draw is not None:
            require_writable_folder(Path(self.draw))
        if self.jsonl is not None:
            require_writable(Path(self.jsonl))
        _ = self.drawings
        videos = [source for source in self.sources if isinstance(source, VideoSource)]
        require_videos(videos, alone=len(self.sources) == 1)
        if (self.track or self.count) and not videos:
            flag = "--track" if self.track else "--count"
            raise SingleshotError(f"{flag}: is for videos, and no video is among the sources")

    @property
    def sources(self) -> list[ImageLike | VideoSource]:
        """Images and videos of all sources, each file once."""
        return self._all_sources.sources

    @property
    def notes(self) -> list[str]:
        """Messages about files that were found and are left out."""
        return self._all_sources.notes

    @property
    def has_videos(self) -> bool:
        """True with a video, camera or stream among the sources."""
        return any(isinstance(source, VideoSource) for source in self.sources)

    @property
    def is_live(self) -> bool:
        """True where the last source is a camera or stream, which ends by Ctrl-C as a rule."""
        last = self.sources[-1] if self.sources else None
        return isinstance(last, VideoSource) and last.kind != "file"

    @cached_property
    def _all_sources(self) -> FoundSources:
        """Sources as they were found on disk."""
        if isinstance(self.source, str | Path | int):
            return find_sources([self.source])
        if isinstance(self.source, list):
            return find_sources(self.source)
        from singleshot.data.image_files.inputs import each_image  # noqa: PLC0415 (imports PyTorch)

        return find_sources(each_image(self.source))

    @cached_property
    def drawings(self) -> list[Path] | None:
        """The path of the drawing of each source; None without drawings."""
        return None if self.draw is None else drawing_paths(self.sources, Path(self.draw))

    def message(self, text: str) -> None:
        """Call `on_message`, if there is one."""
        if self.on_message is not None:
            self.on_message(text)

    def is_stopped(self) -> bool:
        """Call `should_stop`, if there is one."""
        return self.should_stop is not None and self.should_stop()
