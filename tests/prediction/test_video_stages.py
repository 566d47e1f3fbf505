"""Films that are tracked and counted, from pixels to results."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from films import SquareDetector, make_film, square_image

from singleshot.prediction.options import PredictionOptions
from singleshot.prediction.predict import predict_with
from singleshot.prediction.result import Result
from singleshot.prediction.video_stages import in_words, make_stages, make_tracker
from singleshot.structures import Detections
from singleshot.video.reading import open_video

LINE = "door=line:0.5,0,0.5,1"  # in: to the right
ZONE = "all=zone:0,0,1,0,1,1,0,1"


@pytest.fixture
def film(tmp_path):
    # A square that moves right by a pixel a frame: its middle is at 11 to 50 of 64.
    return make_film(tmp_path / "square.mp4", [square_image(n) for n in range(40)])


def test_nothing_is_tracked_or_counted_unless_chosen(film):
    with open_video(film) as video:
        options = PredictionOptions(str(film))
        assert make_tracker(options, video, torch.tensor([0.3])) is None
        assert list(make_stages(options, video)) == []


@pytest.mark.parametrize(("keep_lost", "entered"), [(1.0, 2), (60.0, 1)])
def test_an_object_is_counted_anew_after_the_tracker_may_have_forgotten_it(
    film, keep_lost, entered
):
    """The film has 10 frames a second: 60 s are 600 of them, more than are kept otherwise."""
    options = PredictionOptions(str(film), track=True, count=[ZONE], keep_lost=keep_lost)
    with open_video(film) as video:
        (stage,) = make_stages(options, video)
    seen = Detections(torch.tensor([[2.0, 2, 8, 8]]), torch.ones(1), torch.zeros(1).long())
    with_it = Result(film, 64, 48, seen, ("square",), track=[1])
    without = replace(with_it, detections=seen[:0], track=[])
    for result in [with_it, *[without] * 550, with_it]:
        last = stage(result)
    assert last.counts["all"]["entered"] == {"square": entered}


def test_one_object_has_one_number_and_crosses_the_line_once(film, tmp_path):
    drawn, lines, messages = tmp_path / "drawn", tmp_path / "lines.jsonl", []
    options = PredictionOptions(
        str(film),
        score_threshold=0.01,
        track=True,
        count=[LINE, "left=zone:0,0,0.4,0,0.4,1,0,1"],
        draw=drawn,
        jsonl=lines,
        on_message=messages.append,
    )
    results = list(predict_with(SquareDetector(), options))
    assert [result.tracks for result in results[1:]] == [[1]] * 39
    assert results[0].counts["left"] == {"now": {"square": 1}, "entered": {"square": 1}}
    assert results[0].counts["door"] == {"in": {}, "out": {}}
    assert results[-1].counts["door"] == {"in": {"square": 1}, "out": {}}
    assert results[-1].counts["left"] == {"now": {}, "entered": {"square": 1}}
    documents = [json.loads(line) for line in lines.read_text().splitlines()]
    assert documents[-2]["counts"] == documents[-1]["counts"] == results[-1].counts
    assert documents[-2]["detections"][0]["track"] == 1
    assert "door: in 1 (1 square), out 0" in messages
    with open_video(drawn / "square.mp4") as video:
        frame = next(iter(video)).image
    # White at the middle of a frame of 400 pixels mean side or more: the line.
    column = frame[:, -10:, frame.shape[2] // 2].float().mean()
    assert column > 150 > frame[:, -10:, frame.shape[2] // 2 + 20].float().mean()


class Fading(SquareDetector):
    """Detects with a score that falls from frame to frame."""

    def detect(self, images):
        found = super().detect(images)
        score = max(0.9 - 0.1 * len(self.batches), 0.15)
        return [Detections(one.boxes, one.scores * 0 + score, one.labels) for one in found]


def test_an_object_that_is_tracked_stays_with_a_low_score(film):
    tracked = PredictionOptions(str(film), score_threshold=0.5, track=True)
    assert [len(result) for result in predict_with(Fading(), tracked)] == [1] * 40
    plain = PredictionOptions(str(film), score_threshold=0.5)
    assert sum(len(result) for result in predict_with(Fading(), plain)) < 10


def test_only_what_is_in_zones_now_is_counted_without_tracks(film):
    options = PredictionOptions(
        str(film), score_threshold=0.01, count=["zone=0,0,1,0,1,1,0,1"], max_frames=1
    )
    [result] = predict_with(SquareDetector(), options)
    assert result.tracks == [None]
    assert result.counts == {"zone": {"now": {"square": 1}, "entered": {}}}


def test_counts_in_words():
    counts = {"in": {"dog": 1, "cat": 2}, "out": {}}
    assert in_words(counts) == "in 3, out 0"
    assert in_words(counts, by_class=True) == "in 3 (2 cat, 1 dog), out 0"


def test_a_film_is_detected_in_tiles(tmp_path):
    large = np.zeros((300, 300, 3), dtype=np.uint8)
    large[:48, :64] = square_image(0)
    detector = SquareDetector()
    film = make_film(tmp_path / "large.mp4", [large] * 2)
    options = PredictionOptions(str(film), score_threshold=0.01, tile="150x150", tile_overlap=0)
    assert len(list(predict_with(detector, options))) == 2
    assert detector.batches == [1, 4] * 2
