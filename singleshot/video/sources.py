"""Videos by what names them: the path of a file, the number of a camera, the URL of a stream."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from singleshot.errors import DataError, SingleshotError

__all__ = ["VIDEO_SUFFIXES", "VideoSource", "find_video", "is_video_file", "require_pyav"]

# fmt: off
VIDEO_SUFFIXES = frozenset((
    ".3gp", ".asf", ".avi", ".divx", ".flv", ".h264", ".h265", ".hevc", ".m2ts", ".m4v", ".mjpeg",
    ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob",
    ".webm", ".wmv",
))
# fmt: on
SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "tcp", "rtp", "srt")
CAMERA_DEVICE = re.compile(r"/dev/video(\d+)")  # Linux


@dataclass(frozen=True)
class VideoSource:
    """A video file, a camera or a stream."""

    kind: Literal["file", "camera", "stream"]
    location: str  # path, number or URL

    @property
    def name(self) -> str:
        """Name for messages and results: a URL is without its password."""
        if self.kind == "camera":
            return f"camera {self.location}"
        return without_password(self.location) if self.kind == "stream" else self.location

    @property
    def file_name(self) -> str:
        """Name for a file about this video: its own, or one made from the camera or URL."""
        if self.kind == "file":
            return Path(self.location).name
        return re.sub(r"[^\w.]+", "-", re.sub(r"//[^/@]*@", "//", self.name)).strip("-.")


def find_video(source: str | Path | int) -> VideoSource | None:
    """Find the video that a path, number or URL names; None for anything else, such as an image.

    Raises:
        DataError: a number below 0, or a URL of an unknown kind.
    """
    text = str(source)
    if isinstance(source, bool):
        raise DataError(f"{source}: is no camera; expected its number, such as 0")
    if isinstance(source, int) and source < 0:
        raise DataError(f"{source}: is no camera; the first one is 0")
    if text.isdecimal() and text.isascii():
        return VideoSource("camera", str(int(text)))
    if match := CAMERA_DEVICE.fullmatch(text):
        return VideoSource("camera", match[1])
    if "://" in text:
        return VideoSource("stream", _checked_url(text))
    return VideoSource("file", text) if is_video_file(Path(text)) else None


def is_video_file(path: Path) -> bool:
    """Detect video files by their suffix."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def require_pyav() -> None:
    """Raise SingleshotError where PyAV, which reads videos, is not installed."""
    if find_spec("av") is None:
        raise SingleshotError(
            "PyAV is needed for videos, cameras and streams; install it with: "
            "pip install 'singleshot[video]'"
        )


def without_password(url: str) -> str:
    """Replace the password of a URL by asterisks."""
    return re.sub(r"^(\w+://[^/@:]*):[^/]*@", r"\1:***@", url)


def _checked_url(url: str) -> str:
    """Return a URL that can be read as a stream."""
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        known = ", ".join(SCHEMES)
        raise DataError(f"{without_password(url)}: streams are read by {known}; not by {scheme!r}")
    try:
        parts = urlsplit(url)
        _ = parts.port  # ValueError for another than a number
    except ValueError as error:
        raise DataError(f"{without_password(url)}: is no URL: {error}; check it") from None
    if not parts.netloc:
        raise DataError(f"{url}: names no host; expected such as {scheme}://192.168.1.20/live")
    return url
