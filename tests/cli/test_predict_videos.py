"""`singleshot predict` on films and streams: text, JSON while it runs, and Ctrl-C."""

# Tests singleshot/cli/predict.py

from __future__ import annotations

import json
import os
import signal

import pytest
from command_line import singleshot
from films import SquareDetector, make_film, square_image

from singleshot.video.reading import open_video


@pytest.fixture
def detector(tmp_path, monkeypatch):
    """A detector, and a film to detect in."""
    detector = SquareDetector()
    monkeypatch.setattr("singleshot.cli.predict.check_models", lambda _model: None)
    monkeypatch.setattr("singleshot.models.predict.as_detector", lambda *_: detector)
    monkeypatch.chdir(tmp_path)
    make_film(tmp_path / "film.mkv", [square_image(n) for n in range(8)], codec="ffv1")
    return detector


class Interrupted(SquareDetector):
    """A detector at whose third image a signal comes."""

    number = signal.SIGINT

    def detect(self, images):
        if len(self.batches) == 2:
            os.kill(os.getpid(), self.number)
        return super().detect(images)


@pytest.mark.usefixtures("detector")
def test_a_frame_is_one_line():
    outcome = singleshot("predict", "m", "film.mkv", "--max-frames", "2")
    assert outcome.stdout.splitlines() == [
        "film.mkv frame 0 at 0.000 s: 1 square",
        "film.mkv frame 1 at 0.100 s: 1 square",
    ]
    assert outcome.stderr.startswith("film.mkv: 2 frames in ")
    none = singleshot("predict", "m", "film.mkv", "--max-frames", "1", "--score-threshold", "1")
    assert none.stdout == "film.mkv frame 0 at 0.000 s: nothing\n"


@pytest.mark.usefixtures("detector")
def test_json_is_one_list_and_json_lines_are_its_entries():
    outcome = singleshot("predict", "m", "film.mkv", "--json", "--jsonl", "a.jsonl")
    entries = json.loads(outcome.stdout)
    with open("a.jsonl", encoding="utf-8") as lines:  # noqa: PTH123
        assert [json.loads(line) for line in lines] == entries
    assert [entry["frame"] for entry in entries] == list(range(8))


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.usefixtures("detector")
def test_after_a_signal_all_that_was_written_is_whole(monkeypatch, number, exit_code):
    detector = Interrupted()
    detector.number = number
    monkeypatch.setattr("singleshot.models.predict.as_detector", lambda *_: detector)
    options = ["--json", "--jsonl", "a.jsonl", "--draw", "drawn"]
    outcome = singleshot("predict", "m", "film.mkv", *options)
    assert outcome.exit_code == exit_code
    assert len(json.loads(outcome.stdout)) == 3
    with open("a.jsonl", encoding="utf-8") as lines:  # noqa: PTH123
        assert len(list(map(json.loads, lines))) == 3
    with open_video("drawn/film.mkv.mp4") as film:
        assert len(list(film)) == 3
    assert "film.mkv: 3 frames in " in outcome.stderr


@pytest.mark.usefixtures("detector")
def test_a_signal_is_the_end_of_a_live_source_and_no_failure(monkeypatch):
    monkeypatch.setattr("singleshot.models.predict.as_detector", lambda *_: Interrupted())
    monkeypatch.setattr(
        "singleshot.prediction.options.PredictionOptions.is_live", property(lambda _: True)
    )
    outcome = singleshot("predict", "m", "film.mkv", "--json")
    assert (outcome.exit_code, len(json.loads(outcome.stdout))) == (0, 3)


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.mp4"], "none.mp4: there is no such video; check the path"),
        (["cut.mp4"], "cut.mp4: is not a video, or cut short"),
        (["rtsp://ann:secret@127.0.0.1:9/a"], "rtsp://ann:***@127.0.0.1:9/a: cannot be opened"),
        (["77"], "camera 77: "),
        (["film.mkv", "--draw", "film.mkv"], "film.mkv: is a file; choose the path of a folder"),
        (["film.mkv", "--jsonl", "."], ".: is a folder; choose the path of a file"),
        (["film.mkv", "--frame-step", "0"], "--frame-step"),
    ],
)
def test_what_is_impossible_is_one_line_and_exit_code_2(words, message):
    with open("cut.mp4", "wb") as cut:  # noqa: PTH123
        cut.write(b"\0\0\0\x1cftypisom" + bytes(99))
    outcome = singleshot("predict", "m", *words, "--json")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert message in outcome.stderr.splitlines()[-1]


@pytest.mark.usefixtures("detector")
def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr("singleshot.video.sources.find_spec", lambda _name: None)
    outcome = singleshot("predict", "m", "film.mkv")
    assert outcome.exit_code == 2
    assert "install it with: pip install 'singleshot[video]'" in outcome.stderr


@pytest.mark.usefixtures("detector")
def test_a_broken_film_is_named_at_the_end_and_the_others_are_done():
    with open("cut.mp4", "wb") as cut:  # noqa: PTH123
        cut.write(bytes(99))
    outcome = singleshot("predict", "m", "cut.mp4", "film.mkv", "--json")
    assert outcome.exit_code == 1
    assert len(json.loads(outcome.stdout)) == 8
    assert "Error: 1 of 2 images and videos could not be read; the others are" in outcome.stderr
