"""Films of drawings: their times, sizes and colours, and what is left of an interrupted one."""

from __future__ import annotations

import shutil
from fractions import Fraction

import pytest
from films import grey_image, number_of
from PIL import Image

from singleshot.errors import SingleshotError, StorageError
from singleshot.video import writing
from singleshot.video.reading import open_video
from singleshot.video.writing import VideoWriter


def write(path, images, times, **more):
    with VideoWriter(path, **more) as writer:
        for image, time in zip(images, times, strict=True):
            writer.write(image, time)
    return writer


def greys(count, size=(64, 48)):
    return [Image.fromarray(grey_image(number, size)) for number in range(count)]


@pytest.mark.parametrize("base", [Fraction(1, 30_000), Fraction(1, 90_000), Fraction(1, 1000)])
def test_frames_keep_their_times(tmp_path, base):
    times = [float(ticks * base) for ticks in (0, 1001, 2002, 2003, 9000)]
    write(tmp_path / "new" / "a.mp4", greys(5), times, time_base=base)
    with open_video(tmp_path / "new" / "a.mp4") as video:
        frames = list(video)
    assert [frame.time for frame in frames] == pytest.approx(times, abs=1e-9)
    assert [number_of(frame.image) for frame in frames] == list(range(5))


def test_mpeg4_is_written_without_an_encoder_for_h264(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "ENCODERS", {"nosuch": "H.264", "mpeg4": "MPEG-4"})
    times = [0, 0.1, 0.25]
    writer = write(tmp_path / "a.mp4", greys(3), times, time_base=Fraction(1, 90_000))
    assert writer.codec == "MPEG-4"
    with open_video(tmp_path / "a.mp4") as video:
        assert [frame.time for frame in video] == pytest.approx(times, abs=1e-4)


def test_an_odd_size_gets_one_more_row_and_column(tmp_path):
    write(tmp_path / "a.mp4", greys(2, (63, 47)), [0, 1])
    with open_video(tmp_path / "a.mp4") as video:
        assert (video.width, video.height) == (64, 48)
        assert [number_of(frame.image) for frame in video] == [0, 1]


def test_a_drawing_of_another_size_is_resized_and_counted(tmp_path):
    images = [*greys(2), greys(3, (128, 20))[2]]
    assert write(tmp_path / "a.mp4", images, [0, 1, 2]).num_resized == 1
    with open_video(tmp_path / "a.mp4") as video:
        assert [frame.image.shape for frame in video] == [(3, 48, 64)] * 3


def test_colours_stay(tmp_path):
    image = Image.new("RGB", (64, 48), (200, 60, 30))
    write(tmp_path / "a.mp4", [image] * 3, [0, 1, 2])
    with open_video(tmp_path / "a.mp4") as video:
        colour = next(iter(video)).image.float().mean(dim=(1, 2))
    assert colour.tolist() == pytest.approx([200, 60, 30], abs=4)


def test_time_never_goes_back(tmp_path):
    write(tmp_path / "a.mp4", greys(4), [0, 0.5, 0.5, 0.2], time_base=Fraction(1, 1000))
    with open_video(tmp_path / "a.mp4") as video:
        assert [frame.time for frame in video] == pytest.approx([0, 0.5, 0.501, 0.502])


@pytest.mark.parametrize("endless", [False, True])
def test_a_film_can_be_played_while_it_is_written(tmp_path, endless):
    whole, part = tmp_path / "a.mp4", tmp_path / "b.mp4"
    with VideoWriter(whole, frame_rate=Fraction(10), endless=endless) as writer:
        for number in range(200):
            writer.write(greys(1)[0], number / 10)
        shutil.copy(whole, part)  # as after a killed process
    with open_video(part) as video:
        assert 0 < len(list(video)) < 200
    with open_video(whole) as video:
        assert len(list(video)) == 200


def test_nothing_is_made_without_a_drawing(tmp_path):
    with VideoWriter(tmp_path / "a.mp4") as writer:
        pass
    assert writer.codec == ""
    assert not (tmp_path / "a.mp4").exists()


def test_a_film_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(StorageError, match=r"a\.mp4: not written any further: Is a directory"):
        write(tmp_path / "a.mp4", greys(1), [0])


def test_without_any_encoder_the_film_that_is_there_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "ENCODERS", {"nosuch": "H.264"})
    (tmp_path / "a.mp4").write_bytes(b"old")
    with pytest.raises(SingleshotError, match="encode"):
        write(tmp_path / "a.mp4", greys(1), [0])
    assert (tmp_path / "a.mp4").read_bytes() == b"old"


def test_an_encoder_that_fails_is_the_error(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "choose_encoder", lambda: "nosuch")
    with pytest.raises((SingleshotError, ValueError), match="nosuch"):
        write(tmp_path / "a.mp4", greys(1), [0])
