"""Paths, numbers and URLs of videos."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.errors import DataError, SingleshotError
from singleshot.video import sources
from singleshot.video.sources import VideoSource, find_video, require_pyav


@pytest.mark.parametrize(
    ("source", "kind", "location"),
    [
        ("film.mp4", "file", "film.mp4"),
        (Path("a/FILM.MOV"), "file", "a/FILM.MOV"),
        (0, "camera", "0"),
        ("01", "camera", "1"),
        ("/dev/video2", "camera", "2"),
        ("rtsp://cam/live", "stream", "rtsp://cam/live"),
        ("https://host/a.mp4", "stream", "https://host/a.mp4"),
    ],
)
def test_what_a_source_names(source, kind, location):
    assert find_video(source) == VideoSource(kind, location)


def test_images_and_folders_are_no_videos():
    assert [find_video(one) for one in ("a.jpg", "folder", "b*.png")] == [None] * 3


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (-1, "-1: is no camera; the first one is 0"),
        (True, "True: is no camera"),
        ("gopher://host/a", "not by 'gopher'"),
        ("file:///etc/passwd", "not by 'file'"),
        ("rtsp://", "names no host"),
        ("rtsp://host:port/a", "is no URL"),
    ],
)
def test_what_names_no_video_is_refused(source, message):
    with pytest.raises(DataError, match=message):
        find_video(source)


def test_a_password_is_in_no_name():
    source = VideoSource("stream", "rtsp://ann:secret@192.168.1.2:554/live?a=1")
    assert source.name == "rtsp://ann:***@192.168.1.2:554/live?a=1"
    assert source.file_name == "rtsp-192.168.1.2-554-live-a-1"
    with pytest.raises(DataError) as refused:
        find_video("x://ann:secret@host/live")
    assert "secret" not in str(refused.value)


def test_pyav_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(sources, "find_spec", lambda _name: None)
    with pytest.raises(SingleshotError, match=r"pip install 'singleshot\[video\]'"):
        require_pyav()
