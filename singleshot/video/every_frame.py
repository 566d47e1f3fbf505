"""Read every frame of a video file, in order, with its time."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any

from singleshot.errors import DataError
from singleshot.video.containers import OpenVideo, check_pixels
from singleshot.video.frames import Frame, as_image, timestamp_of, upright_size
from singleshot.video.reader import FrameOptions, VideoReader
from singleshot.video.sources import VideoSource

if TYPE_CHECKING:
    from av import VideoFrame
else:
    VideoFrame = Any  # of an extra

__all__ = ["FileReader"]

FALLBACK_RATE = Fraction(25)  # of a file that states neither times nor a rate, as FFmpeg takes it


class FileReader(VideoReader):
    """Reads every frame of a file; packets that cannot be decoded are counted and left out."""

    def __init__(self, source: VideoSource, opened: OpenVideo, options: FrameOptions) -> None:
        """`opened` is the file, which `close` closes.

        Raises:
            DataError: not even one frame can be decoded.
        """
        super().__init__(source)
        self._opened, self._options = opened, options
        # Noted now: PyAV reads freed memory of a stream whose file was closed.
        self._frame_rate, self._has_audio = opened.frame_rate, opened.has_audio
        self._time_base = opened.stream.time_base or 1 / FALLBACK_RATE
        self.num_broken_packets = 0
        self.num_damaged_frames = 0  # decoded in part; the decoder fills in the rest
        self._reason = self._end_reason = ""
        self._rest = self._decode()
        first = next(self._rest, None)
        if first is None:
            reason = self._reason or self._end_reason or "it has none"
            remedy = "replace or remove it" if source.kind == "file" else "download it first"
            raise DataError(f"{source.name}: not one frame can be decoded: {reason}; {remedy}")
        self._first = first
        self._start = opened.stream.start_time
        if self._start is None:
            self._start = timestamp_of(first) or 0
        self._size = upright_size(first)

    @property
    def width(self) -> int:
        """Width of the first frame in pixels, upright."""
        return self._size[0]

    @property
    def height(self) -> int:
        """Height of the first frame in pixels, upright."""
        return self._size[1]

    @property
    def frame_rate(self) -> Fraction | None:
        """Frames in a second on average; None where the file does not state it."""
        return self._frame_rate

    @property
    def time_base(self) -> Fraction:
        """Unit in seconds of which all times are multiples."""
        return self._time_base

    @property
    def has_audio(self) -> bool:
        """True with sound, which is not read."""
        return self._has_audio

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame, or every step-th; the damage is reported once, at the end."""
        try:
            for index, frame in enumerate(chain([self._first], self._rest)):
                check_pixels(self.source, frame.width, frame.height)
                if index % self._options.step == 0:
                    yield Frame(index, self._time_of(frame, index), as_image(frame))
        finally:
            if damage := self._damage():
                self._options.on_message(f"{self.source.name}: {damage}")

    def close(self) -> None:
        """Close the file."""
        self._rest.close()  # first: PyAV crashes where a file is read on after it was closed
        self._opened.close()

    def _time_of(self, frame: VideoFrame, index: int) -> float:
        """Compute the seconds from the first frame; without timestamps, from the frame rate."""
        timestamp = timestamp_of(frame)
        if timestamp is None:
            return float(index / (self.frame_rate or FALLBACK_RATE))
        assert self._start is not None
        return float((timestamp - self._start) * self.time_base)

    def _decode(self) -> Generator[VideoFrame, None, None]:
        """Decode all packets; one that cannot be is left out."""
        import av  # noqa: PLC0415 (an extra)

        packets = self._opened.container.demux(self._opened.stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                self._end_reason = error.strerror or str(error)
                return
            except IndexError:  # PyAV, at the end of a file in which streams have appeared
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                self.num_broken_packets += 1
                self._reason = error.strerror or str(error)
                continue
            for frame in frames:
                self.num_damaged_frames += frame.is_corrupt
                yield frame

    def _damage(self) -> str:
        """Describe what could not be decoded; empty where all could be."""
        parts = [
            f"{self.num_broken_packets} broken packets are left out"
            * bool(self.num_broken_packets),
            f"{self.num_damaged_frames} frames are damaged, and used as far as they go"
            * bool(self.num_damaged_frames),
            f"cut short: {self._end_reason}; the frames before are used" * bool(self._end_reason),
        ]
        return "; ".join(part for part in parts if part)
