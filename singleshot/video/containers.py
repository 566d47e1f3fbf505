"""Open video files, cameras and streams with PyAV; errors become one line with the remedy."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.errors import DataError
from singleshot.files import describe_damage
from singleshot.video.sources import VideoSource, require_pyav

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.error import FFmpegError
    from av.video.stream import VideoStream
else:
    InputContainer = FFmpegError = VideoStream = Any  # of an extra

__all__ = ["OpenVideo", "check_pixels", "describe_error", "open_container", "require_videos"]

# Without an answer, before a stream counts as broken. FFmpeg may return a packet that it held back
# at the first timeout: what hangs is noticed at the second.
CONNECT_SECONDS, READ_SECONDS = 10.0, 5.0
# Of a file that is in truth a playlist, nothing is fetched from elsewhere.
FILE_PROTOCOLS = "file,crypto,data"
# Of a stream of variable rate FFmpeg guesses the ticks of its clock, 1,000 to 90,000 a second.
HIGHEST_GUESSED_RATE = 240
NO_TIMESTAMPS = 0x80  # AVFMT_NOTIMESTAMPS of FFmpeg's avformat.h
STREAM_OPTIONS = {
    "rtsp_flags": "prefer_tcp",  # UDP loses packets, and does not pass most routers
    "fpsprobesize": "0",  # opening waits for no more frames than it needs
}


@dataclass(frozen=True)
class OpenVideo:
    """A container that is open, and the video stream in it that is read."""

    container: InputContainer
    stream: VideoStream

    @property
    def has_audio(self) -> bool:
        """True with sound beside the images."""
        return bool(self.container.streams.audio)

    @property
    def frame_rate(self) -> Fraction | None:
        """Frames in a second on average; None where the container does not state it."""
        if self.stream.average_rate:
            return self.stream.average_rate
        guessed = self.stream.guessed_rate
        return guessed if guessed and guessed <= HIGHEST_GUESSED_RATE else None

    @property
    def has_timestamps(self) -> bool:
        """False for Motion JPEG over HTTP and the like, where FFmpeg counts 25 frames a second."""
        return not self.container.format.flags & NO_TIMESTAMPS

    def close(self) -> None:
        """Close the container."""
        self.container.close()


def require_videos(sources: Sequence[VideoSource], *, alone: bool) -> None:
    """Raise an error, before a model is loaded, for videos that cannot be read.

    Streams are not connected to: many cameras accept one connection at a time.

    Args:
        sources: files, cameras and streams.
        alone: open the only file already now; one of several does not keep back the others.

    Raises:
        DataError: a camera is missing, or the only file is.
        SingleshotError: PyAV is not installed.
    """
    if sources:
        require_pyav()
    for source in sources:
        if source.kind == "file" and alone:
            open_container(source).close()
        elif source.kind == "camera":
            require_camera(source)


def open_container(source: VideoSource) -> OpenVideo:
    """Open a video and choose its video stream.

    Raises:
        DataError: it is missing, refused, without video, too large, or its codec is unknown.
        SingleshotError: PyAV is not installed.
    """
    require_pyav()
    import av  # noqa: PLC0415 (an extra)

    try:
        container = _open(source)
    except av.FFmpegError as error:
        raise DataError(f"{source.name}: {describe_error(source, error)}") from error
    except ValueError as error:  # a name that no file can have
        raise DataError(f"{source.name}: {error}; check it") from error
    try:
        return OpenVideo(container, _choose_stream(source, container))
    except BaseException:
        container.close()
        raise


def check_pixels(source: VideoSource, width: int, height: int) -> None:
    """Raise DataError for frames of more pixels than an image may have."""
    most = max_pixels()
    if width * height > most:
        raise DataError(
            f"{source.name}: frames of {width} x {height} are too large: at most "
            f"{most / 1e6:.0f} megapixels; scale the video down first"
        )


def max_pixels() -> int:
    """Return the most pixels of an image or frame: from here on Pillow refuses images."""
    from PIL import Image  # noqa: PLC0415 (--help waits for no library)

    return 2 * Image.MAX_IMAGE_PIXELS if Image.MAX_IMAGE_PIXELS else sys.maxsize


def describe_error(source: VideoSource, error: FFmpegError) -> str:
    """Explain why a source cannot be opened or read, with the remedy."""
    reason = (error.strerror or str(error)).rstrip(".")
    match source.kind:
        case "file":
            return _describe_file(Path(source.location), reason)
        case "camera":
            return f"cannot be opened: {reason}; end other programs that use it, or try another"
        case "stream":
            return f"cannot be opened: {reason}; check the URL, user and password, and the network"


def _describe_file(path: Path, reason: str) -> str:
    """Explain why a file is no video that can be read."""
    if path.is_dir():
        return f"is a folder; its videos are '{path}/*.mp4'"
    if not path.exists():
        return "there is no such video; check the path"
    if damage := describe_damage(path):
        return damage
    return f"is not a video, or cut short ({reason}); replace or remove it"


def _open(source: VideoSource) -> InputContainer:
    """Open the container of any kind of source."""
    import av  # noqa: PLC0415 (an extra)

    limit = {"max_pixels": str(min(max_pixels(), 2**31 - 1))}
    match source.kind:
        case "file":
            options = {**limit, "protocol_whitelist": FILE_PROTOCOLS}
            # `file:` keeps names such as `a:b.mp4` from being taken for a protocol.
            return av.open(f"file:{source.location}", options=options)
        case "camera":
            name, device_format, options = camera_input(source, sys.platform)
            return av.open(name, format=device_format, options=options)
        case "stream":
            return av.open(
                source.location,
                options={**limit, **STREAM_OPTIONS},
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            )


def _choose_stream(source: VideoSource, container: InputContainer) -> VideoStream:
    """Choose the first video stream, and prepare its decoder."""
    from av.stream import Disposition  # noqa: PLC0415 (an extra)

    # A cover in an audio file is a stream of one image, and no video.
    cover = Disposition.attached_pic
    streams = [one for one in container.streams.video if not one.disposition & cover]
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise DataError(f"{source.name}: has no video, but {kinds}; choose another source")
    stream = streams[0]
    codec = stream.codec_context
    if codec is None:
        raise DataError(
            f"{source.name}: its codec is unknown to this PyAV; convert it: "
            f"ffmpeg -i INPUT -c:v libx264 OUTPUT.mp4"
        )
    if source.kind == "file" and not codec.width * codec.height:
        raise DataError(  # FFmpeg, with its limit, finds no size for larger ones
            f"{source.name}: its frames have no size that can be read, or more than "
            f"{max_pixels() / 1e6:.0f} megapixels; replace it, or scale it down"
        )
    check_pixels(source, codec.width, codec.height)
    codec.options = {"max_pixels": str(min(max_pixels(), 2**31 - 1))}
    # Threads of whole frames would hold back as many frames, which live sources cannot wait for.
    stream.thread_type = "AUTO" if source.kind == "file" else "SLICE"
    return stream


def require_camera(source: VideoSource) -> None:
    """Raise DataError for a camera that Linux does not have."""
    device = Path(f"/dev/video{source.location}")
    if sys.platform != "linux" or device.exists():
        return
    numbers = sorted(int(path.name.removeprefix("video")) for path in _linux_cameras())
    found = ", ".join(map(str, numbers)) or "none"
    raise DataError(
        f"{source.name}: there is no {device}; cameras here: {found}; plug it in, or give "
        f"another number"
    )


def _linux_cameras() -> list[Path]:
    """List the cameras that Linux has."""
    return [path for path in Path("/dev").glob("video*") if path.name[5:].isdecimal()]


def camera_input(source: VideoSource, platform: str) -> tuple[str, str, dict[str, str]]:
    """Name a camera as FFmpeg does on a platform: the device, its format, and options."""
    number = source.location
    match platform:
        case "linux":
            return f"/dev/video{number}", "v4l2", {}
        case "darwin":
            return number, "avfoundation", {"framerate": "30"}  # without it, few cameras open
        case "win32":
            return f"video={_windows_camera(source)}", "dshow", {}
    raise DataError(
        f"{source.name}: cameras are read on Linux, macOS and Windows, not on {platform!r}; give "
        f"a file or a stream"
    )


def _windows_camera(source: VideoSource) -> str:
    """Find the name of a camera by its number, as DirectShow knows none."""
    try:
        from av.device import enumerate_input_devices  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise DataError(
            f"{source.name}: cameras on Windows need PyAV 17; install it with: pip install -U av"
        ) from error
    names = [
        device.name for device in enumerate_input_devices("dshow") if "video" in device.media_types
    ]
    number = int(source.location)
    if number < len(names):
        return names[number]
    raise DataError(
        f"{source.name}: there are {len(names)} cameras: {', '.join(names) or 'none'}; plug it in, "
        f"or give another number"
    )
