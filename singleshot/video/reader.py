"""A source of frames as the rest of the package sees it, whatever it reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType

from singleshot.video.frames import Frame
from singleshot.video.sources import VideoSource

__all__ = ["FrameOptions", "VideoReader"]


def _ignore(_message: str) -> None:
    """Drop a message."""


def _never() -> bool:
    """Return False: nothing stops the reading but its end."""
    return False


@dataclass(frozen=True)
class FrameOptions:
    """Options of reading frames."""

    step: int = 1  # read every step-th frame
    reconnect_seconds: float = 60.0  # of trying, before a stream that broke is given up
    on_message: Callable[[str], None] = _ignore
    should_stop: Callable[[], bool] = _never  # called while a live source is waited for


class VideoReader(ABC):
    """Reads the frames of one video: a context manager, and iterable once."""

    live = False  # frames that come while another one is in use are dropped
    num_reconnects = 0

    def __init__(self, source: VideoSource) -> None:
        self.source = source

    @property
    def num_dropped(self) -> int:
        """Number of frames that came while another one was in use; 0 for a file."""
        return 0

    @property
    @abstractmethod
    def width(self) -> int:
        """Width of the first frame in pixels, upright."""

    @property
    @abstractmethod
    def height(self) -> int:
        """Height of the first frame in pixels, upright."""

    @property
    @abstractmethod
    def frame_rate(self) -> Fraction | None:
        """Frames in a second on average; None where the source does not state it."""

    @property
    @abstractmethod
    def time_base(self) -> Fraction:
        """Unit in seconds of which all times are multiples."""

    @property
    @abstractmethod
    def has_audio(self) -> bool:
        """True with sound, which is not read."""

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield frames in the order of their times.

        Raises:
            DataError: a frame is too large.
            RunFailed: a stream broke, and could not be connected to again.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file or connection."""

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()
