"""Films, frame by frame: the same detections as their frames one by one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from films import SquareDetector, make_film, square_box, square_image
from PIL import Image
from small_ssd import small_ssd

import singleshot
from singleshot.errors import DataError
from singleshot.prediction import videos
from singleshot.prediction.stages import FrameStage
from singleshot.video.reading import open_video

SQUARES = [square_image(number) for number in range(12)]


@pytest.fixture
def film(tmp_path):
    """A film of a square that moves, in which every pixel is kept."""
    return make_film(tmp_path / "film.mkv", SQUARES, codec="ffv1")


def test_a_film_with_known_boxes_gives_the_detections_of_its_frames(film):
    results = list(singleshot.predict(SquareDetector(), film))
    one_by_one = singleshot.predict(SquareDetector(), SQUARES)
    assert [result.boxes.tolist() for result in results] == [[square_box(n)] for n in range(12)]
    assert [result.boxes.tolist() for result in results] == [
        result.boxes.tolist() for result in one_by_one
    ]
    assert [result.scores.tolist() for result in results] == [
        result.scores.tolist() for result in one_by_one
    ]
    assert [(result.frame, result.time) for result in results] == [(n, n / 10) for n in range(12)]


@pytest.mark.parametrize("frame_batch", [1, 5])
def test_a_network_detects_in_a_film_as_in_its_frames(tmp_path, frame_batch):
    random = np.random.default_rng(0)
    images = [random.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(7)]
    film = make_film(tmp_path / "film.mkv", images, codec="ffv1")
    detector = small_ssd()
    results = list(detector.predict(film, score_threshold=0.05, frame_batch=frame_batch))
    expected = detector.predict(images, score_threshold=0.05)
    assert sum(map(len, expected)) > 10
    for result, alone in zip(results, expected, strict=True):
        assert result.labels.tolist() == alone.labels.tolist()
        torch.testing.assert_close(result.boxes, alone.boxes, atol=1e-3, rtol=0)
        torch.testing.assert_close(result.scores, alone.scores, atol=1e-5, rtol=0)


def test_frames_are_detected_in_batches(film):
    detector = SquareDetector()
    assert len(list(singleshot.predict(detector, film, frame_batch=5))) == 12
    assert detector.batches == [5, 5, 2]


def test_a_step_and_a_last_frame(film):
    results = list(singleshot.predict(SquareDetector(), film, frame_step=3, max_frames=3))
    assert [result.frame for result in results] == [0, 3, 6]


def test_results_are_made_as_they_are_taken(film):
    detector = SquareDetector()
    results = singleshot.predict(detector, film)
    assert detector.batches == []
    next(results)
    assert detector.batches == [1]
    results.close()


def test_images_and_films_are_predicted_in_the_order_given(film, tmp_path):
    Image.fromarray(SQUARES[3]).save(tmp_path / "a.png")
    sources = [tmp_path / "a.png", film, SQUARES[4]]
    results = list(singleshot.predict(SquareDetector(), sources, max_frames=2))
    assert [result.name for result in results] == [str(sources[0]), str(film), str(film), None]
    assert [result.frame for result in results] == [None, 0, 1, None]


def test_the_film_of_drawings_has_the_frames_and_times_of_the_film(film, tmp_path):
    messages = []
    options = {"draw": tmp_path / "drawn", "frame_step": 2, "on_message": messages.append}
    results = list(singleshot.predict(SquareDetector(), film, **options))
    with open_video(tmp_path / "drawn" / "film.mkv.mp4") as video:
        frames = list(video)
    assert [frame.time for frame in frames] == [result.time for result in results]
    difference = np.asarray(results[-1].plot(), dtype=float) - frames[-1].image.permute(
        1, 2, 0
    ).numpy().astype(float)
    assert np.abs(difference).mean() < 4
    assert messages[-1].startswith(f"{film}: 6 frames in ")
    assert messages[-1].endswith(f"drawn in {tmp_path}/drawn/film.mkv.mp4 (H.264)")


def test_json_lines_are_there_while_the_film_is_predicted(film, tmp_path):
    path = tmp_path / "a.jsonl"
    results = singleshot.predict(SquareDetector(), film, jsonl=path)
    first = next(results)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [first.to_dict()]
    assert first.to_dict() == {
        "image": str(film),
        "frame": 0,
        "time": 0.0,
        "width": 64,
        "height": 48,
        "detections": [{"box": [5, 10, 17, 20], "label": "square", "score": first.scores.item()}],
    }
    rest = list(results)
    assert len(path.read_text().splitlines()) == 1 + len(rest) == 12


class Numbers:
    """A tracker that gives each detection the number of its call, and all low scores none."""

    def __init__(self):
        self.calls = []

    def update(self, detections, *, num_frames=1):
        self.calls.append((len(detections), num_frames))
        return torch.full((len(detections),), len(self.calls))


class CountsResults(FrameStage):
    """Counts, and reddens the first pixel of drawings."""

    count = 0

    def __call__(self, result):
        self.count += 1
        return result

    def draw(self, drawing, _result):
        drawing.paste((255, 0, 0), (0, 0, drawing.width, drawing.height // 2))
        return drawing

    def summary(self):
        return {"count": self.count}


def test_a_tracker_gets_all_detections_and_stages_the_results(film, tmp_path, monkeypatch):
    tracker = Numbers()
    monkeypatch.setattr(videos, "make_tracker", lambda *_: tracker)
    monkeypatch.setattr(videos, "make_stages", lambda *_: [CountsResults()])
    path = tmp_path / "a.jsonl"
    options = {"frame_step": 4, "jsonl": path, "draw": tmp_path / "drawn"}
    results = list(singleshot.predict(SquareDetector(), film, **options))
    assert tracker.calls == [(1, 1), (1, 4), (1, 4)]
    assert [result.track for result in results] == [[1], [2], [3]]
    assert results[1].to_dict()["detections"][0]["track"] == 2
    last = json.loads(path.read_text().splitlines()[-1])
    assert last == {"video": str(film), "frames": 3, "count": 3}
    with open_video(tmp_path / "drawn" / "film.mkv.mp4") as video:
        assert next(iter(video)).image[0, 0, 0] > 200
    # What is tracked stays with a low score; without a tracker it does not.
    tracked = list(singleshot.predict(SquareDetector(), film, score_threshold=1.0))
    assert [len(result) for result in tracked] == [1] * 12
    monkeypatch.setattr(videos, "make_tracker", lambda *_: None)
    none = list(singleshot.predict(SquareDetector(), film, score_threshold=1.0))
    assert [len(result) for result in none] == [0] * 12


def test_a_prediction_ends_when_it_should(film):
    calls = []
    results = singleshot.predict(
        SquareDetector(), film, should_stop=lambda: calls.append(1) or len(calls) > 4
    )
    assert 0 < len(list(results)) < 12


def test_a_broken_film_among_others_is_left_out(film, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no film" * 99)
    broken = []
    sources = [tmp_path / "bad.mp4", film]
    results = singleshot.predict(SquareDetector(), sources, on_broken=broken.append)
    assert len(list(results)) == 12
    assert [str(error) for error in broken] == [
        f"{tmp_path}/bad.mp4: is not a video, or cut short (Invalid data found when processing "
        f"input); replace or remove it"
    ]
    with pytest.raises(DataError, match="is not a video"):
        singleshot.predict("no-model", tmp_path / "bad.mp4")


def test_a_result_of_a_frame_is_a_table_and_a_line(film):
    result = list(singleshot.predict(SquareDetector(), film))[1]
    assert repr(result) == f"Result({film} frame 1, 64 x 48: 1 square)"
    assert result.plot().size[0] >= 64
