"""Open a video: every frame of a file, the newest frame of a camera or stream."""

from __future__ import annotations

from pathlib import Path

from singleshot.video.containers import OpenVideo, open_container
from singleshot.video.every_frame import FileReader
from singleshot.video.frames import Frame
from singleshot.video.live import LiveReader
from singleshot.video.reader import FrameOptions, VideoReader
from singleshot.video.sources import VideoSource, find_video

__all__ = ["Frame", "VideoReader", "open_video"]


def open_video(
    source: str | Path | int | VideoSource,
    *,
    live: bool | None = None,
    options: FrameOptions | None = None,
) -> VideoReader:
    """Open a video file, a camera by its number, or a stream by its URL.

        with open_video("film.mp4") as video:
            for frame in video:
                frame.index, frame.time, frame.image

    Args:
        source: path, number or URL.
        live: take the newest frame and drop those that came before it while another was in use,
            and connect again when the source breaks; otherwise every frame, once. None: live are
            cameras, and streams without an end (of a film on a web server every frame is read).
        options: step between frames, and what to do while waiting.

    Raises:
        DataError: there is no such video, it is refused or broken, or none of its frames can be
            decoded.
        SingleshotError: PyAV is not installed.
    """
    options = options or FrameOptions()
    found = source if isinstance(source, VideoSource) else find_video(source)
    if found is None:
        found = VideoSource("file", str(source))
    opened = open_container(found)
    if is_live(found, opened) if live is None else live:
        return LiveReader(found, opened, options)  # its thread closes it
    try:
        return FileReader(found, opened, options)
    except BaseException:
        opened.close()
        raise


def is_live(source: VideoSource, opened: OpenVideo) -> bool:
    """Check for a source without an end: a web server may have a film of known length."""
    if source.kind != "stream":
        return source.kind == "camera"
    is_http = source.location.lower().startswith("http")
    return not (is_http and opened.container.duration)
