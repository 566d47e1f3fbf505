"""Cameras and streams: the newest frame, and a new connection when it breaks.

A thread reads and decodes all that comes, as the next frame cannot be decoded without the last; the
newest frame waits in a slot of one until the consumer takes it. What is overwritten there is
dropped, and counted. So a result is never older than the time of one detection.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from singleshot.errors import DataError, RunFailed
from singleshot.video.containers import OpenVideo, check_pixels, open_container
from singleshot.video.frames import Frame, as_image, timestamp_of, upright_size
from singleshot.video.reader import FrameOptions, VideoReader
from singleshot.video.sources import VideoSource

if TYPE_CHECKING:
    from av import VideoFrame
else:
    VideoFrame = Any  # of an extra

__all__ = ["LiveReader"]

TIME_BASE = Fraction(1, 90_000)  # that of RTP
FIRST_FRAME_SECONDS = 30.0  # some cameras send a whole frame only every ten seconds
FIRST_DELAY, LONGEST_DELAY = 0.5, 15.0  # seconds before an attempt to connect; doubled each time
POLL_SECONDS = 0.2
BROKEN_IN_A_ROW = 250  # packets, then the connection counts as lost
CLOSE_SECONDS = 1.0  # for the thread to end; while a stream hangs it ends at its timeout
RESYNC_SECONDS = 10.0  # between timestamps and clock: the sender has started anew


@dataclass(frozen=True, slots=True)
class _Received:
    """A frame as it was received."""

    index: int
    time: float  # seconds from the first frame
    frame: VideoFrame


class _Slot:
    """Space for one frame, from a thread that writes to one that reads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest: _Received | None = None
        self._error: BaseException | None = None
        self.ended = False
        self.num_dropped = 0

    def put(self, received: _Received) -> None:
        """Replace the frame; one that was not taken is dropped."""
        with self._changed:
            self.num_dropped += self._newest is not None
            self._newest = received
            self._changed.notify()

    def end(self, error: BaseException | None = None) -> None:
        """Let `take` return None, or raise an error, once the last frame is taken."""
        with self._changed:
            self.ended, self._error = True, error
            self._changed.notify()

    def take(self, seconds: float) -> _Received | None:
        """Wait for the newest frame; None where none has come in time or none will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self.ended, seconds)
            received, self._newest = self._newest, None
            if received is None and self._error is not None:
                raise self._error
            return received


class _Clock:
    """Times of frames in seconds from the first, through all connections.

    Within one connection timestamps count, which are exact; a new one begins where this machine's
    clock is by then.
    """

    def __init__(self) -> None:
        self._zero: float | None = None
        self._last = 0.0
        self._anchor: tuple[float, float] | None = None  # seconds; timestamp in seconds

    def restart(self) -> None:
        """Forget the timestamps of a connection that has ended."""
        self._anchor = None

    def read(self, timestamp: float | None, now: float) -> float:
        """Compute the time of a frame with this timestamp that was received now, in seconds."""
        if self._zero is None:
            self._zero = now
        received = now - self._zero
        seconds = received
        if timestamp is not None:
            if self._anchor is None:
                self._anchor = (received, timestamp)
            seconds = self._anchor[0] + timestamp - self._anchor[1]
            if abs(seconds - received) > RESYNC_SECONDS:
                self._anchor = (received, timestamp)
                seconds = received
        self._last = max(self._last, seconds)
        return self._last


class LiveReader(VideoReader):
    """Reads the newest frame of a camera or stream, and connects again when it breaks."""

    live = True

    def __init__(self, source: VideoSource, opened: OpenVideo, options: FrameOptions) -> None:
        """`opened` is the first connection, which the reader closes.

        Raises:
            DataError: no frame comes.
        """
        super().__init__(source)
        self._options, self._slot, self._clock = options, _Slot(), _Clock()
        self._frame_rate, self._has_audio = opened.frame_rate, opened.has_audio
        self._closing = threading.Event()
        self._num_received = 0
        self._last_received = time.monotonic()
        self._delay = FIRST_DELAY
        self._broken = False  # since the last frame
        self._thread = threading.Thread(target=self._run, args=(opened,), daemon=True)
        self._thread.start()
        try:
            self._first = self._wait_for_first()
        except BaseException:
            self.close()
            raise

    @property
    def width(self) -> int:
        """Width of the first frame in pixels, upright."""
        return upright_size(self._first.frame)[0]

    @property
    def height(self) -> int:
        """Height of the first frame in pixels, upright."""
        return upright_size(self._first.frame)[1]

    @property
    def frame_rate(self) -> Fraction | None:
        """Frames in a second on average; None where the source does not state it."""
        return self._frame_rate

    @property
    def time_base(self) -> Fraction:
        """Unit in seconds of which all times are multiples."""
        return TIME_BASE

    @property
    def has_audio(self) -> bool:
        """True with sound, which is not read."""
        return self._has_audio

    @property
    def num_dropped(self) -> int:
        """Number of frames that came while another one was in use."""
        return self._slot.num_dropped

    def __iter__(self) -> Iterator[Frame]:
        """Yield the newest frame, each time one is requested, until the stream ends or is closed.

        Raises:
            DataError: a frame is too large.
            RunFailed: the stream broke, and could not be connected to again in time.
        """
        received: _Received | None = self._first
        while not self._options.should_stop():
            if received is not None:
                check_pixels(self.source, received.frame.width, received.frame.height)
                yield Frame(received.index, received.time, as_image(received.frame))
            # Before the last look: what came until the end, or why it ended, is not lost.
            ended = self._slot.ended
            received = self._slot.take(POLL_SECONDS)
            if received is None and ended:
                return

    def close(self) -> None:
        """End the connection."""
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)

    def _wait_for_first(self) -> _Received:
        """Wait for the first frame, which shows that the source can be decoded."""
        latest = time.monotonic() + FIRST_FRAME_SECONDS
        while time.monotonic() < latest and not self._options.should_stop():
            if (received := self._slot.take(POLL_SECONDS)) is not None:
                return received
        if self._options.should_stop():
            raise DataError(f"{self.source.name}: was stopped before its first frame came")
        raise DataError(
            f"{self.source.name}: is connected, but sent no frame that can be decoded; check the "
            f"camera, or the codec of the stream"
        )

    def _run(self, opened: OpenVideo) -> None:
        """Receive frames, connection after connection; the body of the thread."""
        connection: OpenVideo | None = opened
        try:
            while connection is not None:
                try:
                    reason = self._receive(connection)
                finally:
                    connection.close()
                connection = self._connect_again(reason)
            self._slot.end()
        except BaseException as error:  # raised again where frames are taken
            self._slot.end(error)

    def _receive(self, connection: OpenVideo) -> str:
        """Decode frames into the slot until the connection ends; return why it did."""
        import av  # noqa: PLC0415 (an extra)

        self._clock.restart()
        num_broken = 0
        try:
            for packet in connection.container.demux(connection.stream):
                try:
                    frames = packet.decode()
                except av.InvalidDataError as error:
                    num_broken += 1  # as before the first whole frame
                    if num_broken > BROKEN_IN_A_ROW:
                        return f"{num_broken} packets in a row cannot be decoded ({error.strerror})"
                    continue
                for frame in frames:
                    num_broken = 0
                    timestamp = timestamp_of(frame) if connection.has_timestamps else None
                    self._put(frame, timestamp)
                if self._closing.is_set():
                    break
        except av.ExitError:
            return "nothing came any more"
        except av.FFmpegError as error:
            return (error.strerror or str(error)).lower()
        except IndexError:  # PyAV, at the end of what has got more streams
            pass
        return "it ended"

    def _put(self, frame: VideoFrame, timestamp: int | None) -> None:
        """Put a frame into the slot, with its number and time."""
        now = self._last_received = time.monotonic()
        base = frame.time_base
        seconds = None if timestamp is None or not base else float(timestamp * base)
        index, self._num_received = self._num_received, self._num_received + 1
        at = self._clock.read(seconds, now)
        if self._broken:
            self.num_reconnects += 1
            self._broken, self._delay = False, FIRST_DELAY
            self._options.on_message(f"{self.source.name}: connected again")
        if index % self._options.step == 0:
            self._slot.put(_Received(index, at, frame))

    def _connect_again(self, reason: str) -> OpenVideo | None:
        """Try to connect, at growing intervals; None where the reader ends instead.

        Raises:
            RunFailed: no frame has come for as long as the options allow.
        """
        limit, name = self._options.reconnect_seconds, self.source.name
        if self._broken:  # it was connected to, and no frame came
            self._require_time_left(DataError(f"{name}: {reason}"))
        if not self._num_received:
            raise DataError(f"{name}: no frame came: {reason}; check the camera or its URL")
        if not self._broken and not self._closing.is_set():
            self._options.on_message(
                f"{name}: the stream broke: {reason}; "
                + (f"connecting again for up to {limit:g} s" if limit else "not connected again")
            )
        self._broken = True
        while limit and not self._closing.wait(self._delay):
            self._delay = min(2 * self._delay, LONGEST_DELAY)
            try:
                return open_container(self.source)
            except DataError as error:
                self._require_time_left(error)
        return None

    def _require_time_left(self, error: DataError) -> None:
        """Raise RunFailed where no frame has come for as long as the options allow."""
        limit = self._options.reconnect_seconds
        if time.monotonic() - self._last_received > limit:
            raise RunFailed(
                f"{error}\n  no frame for {limit:g} s, after {self._num_received} frames; "
                f"--reconnect-seconds waits longer"
            ) from error
