"""Opening: what is live, and what is not."""

# Tests singleshot/video/reader.py

from __future__ import annotations

from types import SimpleNamespace

import pytest
from films import make_film

from singleshot.errors import DataError
from singleshot.video.reading import is_live, open_video
from singleshot.video.sources import find_video


@pytest.mark.parametrize(
    ("source", "duration", "live"),
    [
        ("film.mp4", 2_000_000, False),
        (0, None, True),
        ("rtsp://cam/live", None, True),
        ("rtsp://server/film", 2_000_000, True),
        ("http://host/film.mp4", 2_000_000, False),
        ("http://cam/stream.mjpg", None, True),
    ],
)
def test_what_has_no_end_is_live(source, duration, live):
    opened = SimpleNamespace(container=SimpleNamespace(duration=duration))
    assert is_live.__wrapped__(find_video(source), opened) == live


def test_a_file_of_any_name_is_opened(tmp_path):
    film = make_film(tmp_path / "a.mp4").rename(tmp_path / "film")
    with open_video(film) as video:
        assert len(list(video)) == 8


def test_the_file_is_closed_with_the_reader(tmp_path):
    with open_video(make_film(tmp_path / "a.mp4")) as video:
        frames = iter(video)
        next(frames)
    assert list(frames) == []
    with pytest.raises(DataError, match="there is no such video"):
        open_video(tmp_path / "b.mp4")
