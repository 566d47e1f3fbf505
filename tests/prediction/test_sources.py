from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.errors import DataError, SingleshotError
from singleshot.prediction.options import PredictionOptions
from singleshot.prediction.sources import drawing_paths, find_images, find_sources
from singleshot.video.sources import VideoSource


@pytest.fixture
def shots(tmp_path, monkeypatch):
    """A folder with an image below, two images and a text, which is also where we are."""
    for name in ("b.jpg", "a.PNG", "notes.txt", "deeper/a.PNG"):
        path = tmp_path / "shots" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return Path("shots")


def test_sources_are_searched_once(shots, monkeypatch):
    searches = []
    monkeypatch.setattr(
        "singleshot.prediction.options.find_sources",
        lambda sources: searches.append(sources) or find_sources(sources),
    )
    options = PredictionOptions("shots", draw="drawn").with_callbacks(on_message=print)
    assert options.sources == [shots / "a.PNG", shots / "b.jpg"]
    assert options.on_message is print
    assert len(searches) == 1


def test_images_in_memory_stay_as_they_are(shots):
    image = object()
    assert find_images([image, shots / "b.jpg", image]) == [image, shots / "b.jpg", image]


def test_drawings_of_no_images_are_refused():
    with pytest.raises(SingleshotError, match="--draw drawn: no images are given"):
        PredictionOptions([], draw="drawn")


def test_a_folder_means_the_images_directly_in_it(shots):
    assert find_images(["shots"]) == [shots / "a.PNG", shots / "b.jpg"]


def test_names_that_begin_with_a_dot_are_no_images_unless_named(shots):
    (shots / "._a.PNG").touch()
    assert find_images(["shots"]) == [shots / "a.PNG", shots / "b.jpg"]
    with pytest.raises(DataError, match="no image or video fits this pattern"):
        find_images(["shots/.*"])
    assert find_images(["shots/._a.PNG"]) == [shots / "._a.PNG"]


def test_suffixes_are_those_that_pillow_opens(shots):
    for name in ("c.jfif", "d.avif", "e.mpg"):
        (shots / name).touch()
    assert [path.name for path in find_images(["shots"])] == ["a.PNG", "b.jpg", "c.jfif", "d.avif"]


def test_a_pattern_matches_at_any_depth(shots):
    assert find_images(["shots/**/*.PNG"]) == [shots / "a.PNG", shots / "deeper/a.PNG"]


def test_a_pattern_skips_files_that_are_no_images(shots):
    assert find_images(["shots/*"]) == [shots / "a.PNG", shots / "b.jpg"]


def test_an_image_named_twice_is_taken_once_where_it_was_named_first(shots):
    assert find_images(["shots/b.jpg", "shots"]) == [shots / "b.jpg", shots / "a.PNG"]


@pytest.mark.usefixtures("shots")
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "nowhere: no such image, video or folder"),
        ("shots/*.gif", "no image or video fits this pattern"),
        ("film.mp4", "there is no such video"),
        ("0", "is a video; give images"),
        ("rtsp://camera", "is a video; give images"),
        ("empty", "no image directly in this folder"),
    ],
)
def test_unreadable_sources_are_refused(source, message):
    Path("empty").mkdir()
    with pytest.raises(DataError, match=message.replace("*", r"\*")):
        find_images([source])


def test_videos_are_found_by_path_pattern_number_and_url(shots):
    for name in ("film.mp4", "b.MOV"):
        (shots / name).touch()
    given = ["shots/film.mp4", "shots/*", 0, "00", "rtsp://cam/live"]
    film, other = (VideoSource("file", f"shots/{name}") for name in ("film.mp4", "b.MOV"))
    images = [shots / "a.PNG", other, shots / "b.jpg"]
    streams = [VideoSource("camera", "0"), VideoSource("stream", "rtsp://cam/live")]
    assert find_sources(given).sources == [film, *images, *streams]


def test_a_folder_with_videos_states_how_they_are_taken(shots):
    (shots / "film.mp4").touch()
    found = find_sources(["shots"])
    assert found.sources == [shots / "a.PNG", shots / "b.jpg"]
    assert found.notes == [
        "shots: 1 videos are left out beside the images; 'shots/*.mp4' takes them"
    ]
    for path in found.sources:
        path.unlink()
    with pytest.raises(DataError, match=r"no image directly in this folder, but 1 videos; 'shots/"):
        find_sources(["shots"])


def test_films_of_drawings_are_mp4_and_keep_their_names():
    videos = [VideoSource("file", "/a/x/film.mp4"), VideoSource("file", "/a/y/film.mov")]
    streams = [VideoSource("camera", "0"), VideoSource("stream", "rtsp://u:p@cam:554/live")]
    drawings = drawing_paths([*videos, *streams, Path("/a/x/b.jpg")], Path("out"))
    names = ["x/film.mp4", "y/film.mov.mp4", "camera-0.mp4", "rtsp-cam-554-live.mp4", "x/b.jpg"]
    assert drawings == [Path("out", name) for name in names]
    with pytest.raises(SingleshotError, match=r"would write over the video .*film\.mp4"):
        drawing_paths(videos[:1], Path("/a/x"))


@pytest.mark.usefixtures("shots")
def test_drawings_of_one_folder_keep_their_names():
    drawings = drawing_paths(find_images(["shots"]), Path("out"))
    assert drawings == [Path("out/a.PNG"), Path("out/b.jpg")]


@pytest.mark.usefixtures("shots")
def test_drawings_of_equal_names_do_not_collide():
    drawings = drawing_paths(find_images(["shots/**/a.PNG"]), Path("out"))
    assert drawings == [Path("out/a.PNG"), Path("out/deeper/a.PNG")]


def test_a_drawing_is_never_written_over_an_image(shots):
    with pytest.raises(SingleshotError, match=r"would write over the image .*a\.PNG"):
        drawing_paths(find_images(["shots"]), shots)


def test_formats_that_are_rarely_written_become_png(shots):
    assert drawing_paths([shots / "x.webp"], Path("out")) == [Path("out/x.webp.png")]
