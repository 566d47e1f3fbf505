"""Every frame of a file, in order, with its time."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from films import make_film, number_of

from singleshot.errors import DataError
from singleshot.video.reader import FrameOptions
from singleshot.video.reading import open_video


def destroy_jpegs(path, chosen):
    """Overwrite the content of some frames of Motion JPEG by zeros."""
    content = bytearray(path.read_bytes())
    starts = [match.start() for match in re.finditer(rb"\xff\xd8\xff", content)]
    for start in starts[chosen]:
        end = content.index(b"\xff\xd9", start) + 2
        content[start:end] = bytes(end - start)
    path.write_bytes(content)


def test_every_frame_is_read_in_order_with_its_time(tmp_path):
    with open_video(make_film(tmp_path / "a.mp4", 8)) as video:
        frames = list(video)
    assert [frame.index for frame in frames] == list(range(8))
    assert [number_of(frame.image) for frame in frames] == list(range(8))
    assert [frame.time for frame in frames] == [n / 10 for n in range(8)]
    assert (video.width, video.height, video.frame_rate) == (64, 48, 10)
    assert (video.live, video.has_audio, video.num_dropped) == (False, False, 0)
    assert frames[0].image.shape == (3, 48, 64)


def test_times_of_a_variable_frame_rate_are_exact(tmp_path):
    times = [500, 501, 600, 1000, 4000]  # thousandths of a second
    with open_video(make_film(tmp_path / "a.mkv", 5, times=times)) as video:
        found = [Fraction(frame.time).limit_denominator(1000) for frame in video]
    assert found == [Fraction(time - 500, 1000) for time in times]


def test_a_step_leaves_out_frames_but_counts_them(tmp_path):
    with open_video(make_film(tmp_path / "a.mp4"), options=FrameOptions(step=3)) as video:
        frames = list(video)
    assert [frame.index for frame in frames] == [0, 3, 6]
    assert [number_of(frame.image) for frame in frames] == [0, 3, 6]
    assert [frame.time for frame in frames] == [0, 0.3, 0.6]


def test_a_file_without_timestamps_has_the_times_of_its_rate(tmp_path):
    with open_video(make_film(tmp_path / "a.h264", codec="libx264", format="h264")) as video:
        times = [frame.time for frame in video]
    assert times == [n / 25 for n in range(8)]


def test_broken_packets_are_counted_and_the_rest_is_read(tmp_path):
    path = make_film(tmp_path / "a.mkv", 24, codec="mjpeg")
    destroy_jpegs(path, slice(10, 13))
    messages = []
    with open_video(path, options=FrameOptions(on_message=messages.append)) as video:
        numbers = [number_of(frame.image) for frame in video]
    assert numbers == [*range(10), *range(13, 24)]
    assert messages == [f"{path}: 3 broken packets are left out"]


def test_a_film_that_is_cut_short_is_used_as_far_as_it_goes(tmp_path):
    path = make_film(tmp_path / "a.mkv", 24)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with open_video(path) as video:
        numbers = [number_of(frame.image) for frame in video]
    assert 0 < len(numbers) < 24
    assert numbers == list(range(len(numbers)))


def test_a_film_without_any_frame_is_refused(tmp_path):
    path = make_film(tmp_path / "a.mkv", 3, codec="mjpeg")
    destroy_jpegs(path, slice(None))
    with pytest.raises(DataError, match=r"a\.mkv: not one frame can be decoded"):
        open_video(path)
