"""The newest frame of what never waits, through connections that break."""

from __future__ import annotations

import time

import pytest
from films import make_film, number_of

from singleshot.errors import DataError, RunFailed
from singleshot.video import live
from singleshot.video.live import _Clock, _Received, _Slot
from singleshot.video.reader import FrameOptions
from singleshot.video.reading import open_video


def test_the_newest_frame_replaces_one_that_was_not_taken():
    slot = _Slot()
    first, second, third = (_Received(n, float(n), frame=n) for n in range(3))
    slot.put(first)
    slot.put(second)
    assert slot.take(1) is second
    assert slot.take(0) is None
    slot.put(third)
    slot.end(RunFailed("gone"))
    assert slot.take(1) is third
    with pytest.raises(RunFailed, match="gone"):
        slot.take(1)
    assert slot.num_dropped == 1


def test_times_grow_through_connections_and_timestamps_that_start_anew():
    clock = _Clock()
    assert clock.read(100.0, now=7.0) == 0
    assert clock.read(100.5, now=7.6) == 0.5  # the timestamp, not the clock
    clock.restart()
    assert clock.read(3.0, now=10.0) == 3
    assert clock.read(3.25, now=10.2) == 3.25
    assert clock.read(0.0, now=11.0) == 3.25  # a frame that comes late; time does not go back
    assert clock.read(500.0, now=12.0) == 5  # the sender's clock was set: our own counts
    assert clock.read(None, now=13.0) == 6


def test_a_slow_consumer_gets_the_last_frame_and_the_number_of_those_dropped(tmp_path):
    film, messages = make_film(tmp_path / "a.mp4", 20), []
    options = FrameOptions(reconnect_seconds=0, on_message=messages.append)
    with open_video(film, live=True, options=options) as video:
        time.sleep(0.5)  # the film has been received by now
        frames = list(video)
    assert number_of(frames[-1].image) == frames[-1].index == 19
    assert len(frames) + video.num_dropped == 20
    assert (video.live, video.width, video.height) == (True, 64, 48)
    assert messages == [f"{film}: the stream broke: it ended; not connected again"]


def test_a_source_that_breaks_is_connected_to_again(tmp_path, monkeypatch):
    film, messages, taken = make_film(tmp_path / "a.mp4", 3), [], []
    monkeypatch.setattr(live, "FIRST_DELAY", 0.01)
    options = FrameOptions(on_message=messages.append)
    with open_video(film, live=True, options=options) as video:
        for frame in video:
            taken.append(frame)
            if video.num_reconnects >= 3:
                break
    assert [frame.index for frame in taken] == sorted({frame.index for frame in taken})
    assert sorted(frame.time for frame in taken) == [frame.time for frame in taken]
    assert messages[:2] == [
        f"{film}: the stream broke: it ended; connecting again for up to 60 s",
        f"{film}: connected again",
    ]


def test_a_source_that_stays_away_ends_with_an_error(tmp_path, monkeypatch):
    film = make_film(tmp_path / "a.mp4", 3)
    monkeypatch.setattr(live, "FIRST_DELAY", 0.01)
    with open_video(film, live=True, options=FrameOptions(reconnect_seconds=0.1)) as video:
        film.unlink()
        with pytest.raises(RunFailed, match=r"no frame for 0\.1 s, after \d+ frames; --reconnect"):
            list(video)


def test_a_source_that_comes_back_without_frames_ends_with_an_error(tmp_path, monkeypatch):
    film = make_film(tmp_path / "a.mkv", 3, codec="mjpeg")
    monkeypatch.setattr(live, "FIRST_DELAY", 0.01)
    with open_video(film, live=True, options=FrameOptions(reconnect_seconds=0.1)) as video:
        content = film.read_bytes()
        film.write_bytes(content[: content.index(b"\xff\xd8\xff")])
        with pytest.raises(RunFailed, match=r"it ended\n  no frame for 0\.1 s, after \d+ frames"):
            list(video)


def test_a_source_without_a_frame_is_refused(tmp_path):
    film = make_film(tmp_path / "a.mkv", 3, codec="mjpeg")
    content = film.read_bytes()
    film.write_bytes(content[: content.index(b"\xff\xd8\xff")])
    with pytest.raises(DataError, match="no frame came"):
        open_video(film, live=True)


def test_waiting_ends_when_it_should_stop(tmp_path):
    film, stop = make_film(tmp_path / "a.mp4", 3), []
    options = FrameOptions(should_stop=lambda: bool(stop))
    with open_video(film, live=True, options=options) as video:
        for _ in video:
            stop.append(True)
    assert stop == [True]


def test_waiting_for_the_first_frame_ends_when_it_should_stop(tmp_path):
    film = make_film(tmp_path / "a.mp4", 3)
    with pytest.raises(DataError, match="was stopped before its first frame came"):
        open_video(film, live=True, options=FrameOptions(should_stop=lambda: True))


def test_motion_jpeg_without_timestamps_has_the_times_of_the_clock(tmp_path):
    film = make_film(tmp_path / "a.mjpeg", 3, codec="mjpeg", format="mjpeg")
    with open_video(film, live=True, options=FrameOptions(reconnect_seconds=0)) as video:
        times = [frame.time for frame in video]
    assert times[-1] not in (0.04, 0.08)  # 25 frames a second, which the file does not state
    assert times == sorted(times)


def test_an_error_between_two_looks_is_not_lost(tmp_path, monkeypatch):
    class Late(_Slot):
        """A slot that ends while the consumer is between a look in vain and the next."""

        def take(self, seconds):
            received = super().take(seconds)
            if received is None and not self.ended:
                self.end(RunFailed("gone"))
            return received

    monkeypatch.setattr(live, "POLL_SECONDS", 0.01)
    film = make_film(tmp_path / "a.mp4", 3)
    with open_video(film, live=True, options=FrameOptions()) as video:
        slot = Late()
        slot.put(video._first)
        video._slot = slot
        with pytest.raises(RunFailed, match="gone"):
            list(video)
