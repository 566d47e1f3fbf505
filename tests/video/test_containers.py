"""Videos that cannot be opened are refused in one line with the remedy."""

from __future__ import annotations

from types import SimpleNamespace

import av
import numpy as np
import pytest
from films import make_film
from PIL import Image

from singleshot.errors import DataError
from singleshot.video import containers
from singleshot.video.containers import (
    STREAM_OPTIONS,
    OpenVideo,
    camera_input,
    open_container,
    require_videos,
)
from singleshot.video.sources import VideoSource, find_video


def refusal(source):
    with pytest.raises(DataError) as refused:
        open_container(source if isinstance(source, VideoSource) else find_video(source))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_files_that_are_no_videos(tmp_path):
    for name, content in (
        ("text.mp4", b"no film" * 99),
        ("empty.mp4", b""),
        ("zeros.ts", b"\0" * 999),
    ):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.mp4").mkdir()
    assert "is not a video, or cut short" in refusal(tmp_path / "text.mp4")
    assert "empty; copy it again" in refusal(tmp_path / "empty.mp4")
    assert "is not a video" in refusal(tmp_path / "zeros.ts")
    assert "there is no such video; check the path" in refusal(tmp_path / "nowhere.mp4")
    assert "is a folder" in refusal(tmp_path / "folder.mp4")


def test_a_film_cut_before_its_index_is_refused(tmp_path):
    path = make_film(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:-200])
    assert "is not a video, or cut short" in refusal(path)


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "has no video, but audio; choose another source" in refusal(path)


def test_frames_have_the_pixel_limit_of_images(tmp_path, monkeypatch):
    path = make_film(tmp_path / "a.mp4")  # of 64 x 48
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48 // 2)
    open_container(find_video(path)).close()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48 // 2 - 1)
    assert "megapixels" in refusal(path)


def test_a_playlist_in_place_of_a_film_fetches_nothing(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_text("#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    assert "is not a video" in refusal(path)


def test_a_name_with_a_colon_is_a_file(tmp_path, monkeypatch):
    make_film(tmp_path / "a:b.mp4")
    monkeypatch.chdir(tmp_path)
    open_container(find_video("a:b.mp4")).close()


def test_a_refused_stream_names_the_host_but_no_password():
    message = refusal("rtsp://ann:secret@127.0.0.1:9/live")
    assert message.startswith(
        "rtsp://ann:***@127.0.0.1:9/live: cannot be opened: Connection refused"
    )
    assert "secret" not in message


def test_an_absent_camera_is_refused_with_those_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(containers.sys, "platform", "linux")
    monkeypatch.setattr(containers, "_linux_cameras", lambda: [tmp_path / "video4"])
    with pytest.raises(DataError, match="there is no /dev/video77; cameras here: 4;"):
        require_videos([find_video(77)], alone=True)


def test_cameras_are_named_as_each_platform_names_them(monkeypatch):
    cameras = [SimpleNamespace(name="Mic", media_types=["audio"])]
    cameras += [SimpleNamespace(name=f"Cam {n}", media_types=["video"]) for n in range(2)]
    monkeypatch.setattr("av.device.enumerate_input_devices", lambda _format: cameras)
    first = find_video(1)
    assert camera_input(first, "linux") == ("/dev/video1", "v4l2", {})
    assert camera_input(first, "darwin")[:2] == ("1", "avfoundation")
    assert camera_input(first, "win32") == ("video=Cam 1", "dshow", {})
    with pytest.raises(DataError, match="there are 2 cameras: Cam 0, Cam 1"):
        camera_input(find_video(2), "win32")
    with pytest.raises(DataError, match="not on 'plan9'"):
        camera_input(first, "plan9")


def test_the_ticks_of_a_streams_clock_are_no_frame_rate(tmp_path):
    """Of streams no frame is read ahead: FFmpeg guesses their rate from what the codec states."""
    film = make_film(tmp_path / "a.ts", 6, times=[0, 130, 150, 310, 420, 470], format="mpegts")
    with av.open(str(film), options=dict(STREAM_OPTIONS)) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.guessed_rate) == (None, 1000)
        assert OpenVideo(container, stream).frame_rate is None
