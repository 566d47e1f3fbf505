"""Write films: drawings of frames with their times, in H.264, else MPEG-4.

A film can be played up to the frame it has come to, also while it is written or after the program
was killed: MP4 in fragments. At the end they become one with an index, which is kept in memory
until then (75 bytes a frame); the film of a live source, which may run for months, has none.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from singleshot.errors import StorageError
from singleshot.video.sources import require_pyav

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream
else:
    OutputContainer = VideoStream = Any  # of an extra

__all__ = ["VideoWriter"]

# Encoders by preference, with the name of what they write.
ENCODERS = {"libx264": "H.264", "libopenh264": "H.264", "h264": "H.264", "mpeg4": "MPEG-4"}
OPTIONS = {
    "libx264": {"preset": "veryfast", "crf": "21"},  # small text keeps its edges
    "mpeg4": {"qscale": "4"},
}
BIT_RATE = 4_000_000  # of encoders that know no constant quality
FALLBACK_RATE = Fraction(25)
FRAGMENT_SECONDS = 2  # between whole frames, where fragments begin
FRAGMENTS_WITH_INDEX = "hybrid_fragmented"  # https://ffmpeg.org/ffmpeg-formats.html
FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"
LARGEST_TICK = 65535  # of MPEG-4: its time base has 16 bits
BT_709 = 1


class VideoWriter:
    """Writes a film of drawings; its size is that of the first. A context manager."""

    def __init__(
        self,
        path: Path,
        *,
        frame_rate: Fraction | None = None,
        time_base: Fraction | None = None,
        endless: bool = False,
    ) -> None:
        """Prepare a film; the file is made with the first drawing.

        Args:
            path: of an `.mp4` file, which is written over.
            frame_rate: stated in the film; frames keep their own times.
            time_base: unit of these times in seconds, as in the video that is drawn.
            endless: leave out the index, for constant memory.

        Raises:
            SingleshotError: PyAV is not installed.
        """
        require_pyav()
        self.path = path
        self.num_resized = 0  # drawings of another size than the first
        self._rate = frame_rate or FALLBACK_RATE
        self._base = time_base or Fraction(1, 90_000)
        self._flags = FRAGMENTS if endless else FRAGMENTS_WITH_INDEX
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._last = -1  # timestamp

    @property
    def codec(self) -> str:
        """Name of the compression, once a drawing is written: H.264 or MPEG-4."""
        return "" if self._stream is None else ENCODERS[self._stream.codec_context.codec.name]

    def write(self, drawing: Image.Image, time: float) -> None:
        """Write the next frame.

        Args:
            drawing: RGB; of another size than the first, it is resized.
            time: in seconds, from the first frame; later than that of the frame before.

        Raises:
            StorageError: full disk and the like.
        """
        import av  # noqa: PLC0415 (an extra)

        if drawing.mode != "RGB":
            drawing = drawing.convert("RGB")
        try:
            stream = self._stream or self._open(drawing.size)
            if (stream.width, stream.height) != even_size(drawing.size):
                self.num_resized += 1
                drawing = drawing.resize((stream.width, stream.height))
            frame = av.VideoFrame.from_ndarray(to_even_size(np.asarray(drawing)), format="rgb24")
            frame = frame.reformat(format="yuv420p", src_colorspace=BT_709, dst_colorspace=BT_709)
            # A film cannot go back in time, even if the video did.
            self._last = max(self._last + 1, round(Fraction(time) / self._base))
            frame.pts, frame.time_base = self._last, self._base
            self._mux(frame)
        except (OSError, av.FFmpegError) as error:
            raise self._explain(error) from error

    def close(self) -> None:
        """Write what the encoder has held back, and the index of the film.

        Raises:
            StorageError: full disk and the like.
        """
        import av  # noqa: PLC0415 (an extra)

        if self._container is None:
            return
        container, self._container = self._container, None
        try:
            try:
                if self._stream is not None:  # None: its encoder could not be set up
                    container.mux(self._stream.encode(None))
            finally:
                container.close()
        except (OSError, av.FFmpegError) as error:
            raise self._explain(error) from error

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, size: tuple[int, int]) -> VideoStream:
        """Make the file, for frames of this (width, height)."""
        import av  # noqa: PLC0415 (an extra)

        self.path.parent.mkdir(parents=True, exist_ok=True)
        options = {"movflags": self._flags, "flush_packets": "1"}
        encoder = choose_encoder()
        self._container = av.open(str(self.path), "w", format="mp4", options=options)
        stream: VideoStream = self._container.add_stream(  # type: ignore[assignment]
            encoder, rate=self._rate, options=OPTIONS.get(encoder)
        )
        stream.width, stream.height = even_size(size)
        stream.pix_fmt = "yuv420p"  # the one that all players show
        if encoder == "mpeg4" and self._base.denominator > LARGEST_TICK:
            self._base = Fraction(1, 60_000)
        codec = stream.codec_context
        codec.time_base = self._base
        codec.gop_size = max(round(FRAGMENT_SECONDS * self._rate), 1)
        codec.max_b_frames = 0  # with them the film would begin after time 0
        codec.colorspace = codec.color_primaries = codec.color_trc = BT_709
        if encoder not in OPTIONS:
            stream.bit_rate = BIT_RATE
        self._stream = stream
        return stream

    def _mux(self, frame: Any) -> None:
        """Encode a frame into the file."""
        assert self._container is not None
        assert self._stream is not None
        self._container.mux(self._stream.encode(frame))

    def _explain(self, error: Exception) -> StorageError:
        """Make the error for a film that cannot be written on."""
        reason = getattr(error, "strerror", None) or str(error)
        return StorageError(
            f"{self.path}: not written any further: {reason}; free some space, or choose another "
            f"folder; the film can be played up to here"
        )


def choose_encoder() -> str:
    """Choose the first of the encoders that this PyAV has."""
    from av.codec import Codec  # noqa: PLC0415 (an extra)
    from av.codec.codec import UnknownCodecError  # noqa: PLC0415 (an extra)

    for name in ENCODERS:
        try:
            return Codec(name, "w").name
        except UnknownCodecError:
            continue
    raise StorageError(
        "this PyAV has no encoder for H.264 or MPEG-4; install it with: pip install av"
    )


def even_size(size: tuple[int, int]) -> tuple[int, int]:
    """Round (width, height) up to even numbers, which colours at half the resolution need."""
    return size[0] + size[0] % 2, size[1] + size[1] % 2


def to_even_size(pixels: np.ndarray) -> np.ndarray:
    """Repeat the last row or column where their number is odd."""
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
