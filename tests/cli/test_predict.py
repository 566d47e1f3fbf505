from __future__ import annotations

import json

import pytest
import torch
from command_line import singleshot
from PIL import Image

from singleshot.metrics import Choice, OperatingPoint, Rule
from singleshot.structures import Detections


class CornerFinder:
    """Finds a sure thing and a doubtful one in every image."""

    class_names = ("cat", "dog")

    def detect(self, images):
        boxes = torch.tensor([[0.0, 1.0, 10.0, 12.0], [3.0, 4.0, 8.0, 9.0]])
        return [Detections(boxes, torch.tensor([0.75, 0.25]), torch.tensor([1, 0])) for _ in images]


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Two images, and a detector to look at them."""
    monkeypatch.setattr("singleshot.cli.predict.check_models", lambda _model: None)
    monkeypatch.setattr("singleshot.models.predict.as_detector", lambda *_: CornerFinder())
    monkeypatch.chdir(tmp_path)
    for name, size in (("a.jpg", (40, 30)), ("b.png", (20, 20))):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.new("RGB", size, "gray").save(tmp_path / "in" / name)
    return tmp_path / "in"


@pytest.mark.usefixtures("images")
def test_json_lists_every_image():
    outcome = singleshot("predict", "m", "in", "--json")
    assert json.loads(outcome.stdout) == [
        {
            "image": image,
            "width": width,
            "height": height,
            "detections": [{"box": [0, 1, 10, 12], "label": "dog", "score": 0.75}],
        }
        for image, width, height in (("in/a.jpg", 40, 30), ("in/b.png", 20, 20))
    ]


@pytest.mark.usefixtures("images")
def test_a_lower_score_threshold_keeps_more():
    found = json.loads(
        singleshot("predict", "m", "in/a.jpg", "--score-threshold", "0.25", "--json").stdout
    )[0]["detections"]
    assert [detection["label"] for detection in found] == ["dog", "cat"]


@pytest.fixture
def chosen(monkeypatch):
    """Score thresholds of the model: cats from 0.25, dogs from 0.8, which drops the only dog."""
    choices = {"cat": Choice(0.25, 1, 1, 0), "dog": Choice(0.8, 1, 1, 0)}
    point = OperatingPoint(Rule.parse("f1"), 0.5, "the val images", choices)

    def score_thresholds(on_message):
        on_message("thresholds of its own")
        return point

    thresholds = staticmethod(score_thresholds)
    monkeypatch.setattr(CornerFinder, "score_thresholds", thresholds, raising=False)


@pytest.mark.usefixtures("images", "chosen")
def test_the_thresholds_chosen_for_the_run_apply_and_are_printed_once():
    outcome = singleshot("predict", "m", "in", "--json")
    labels = [[one["label"] for one in found["detections"]] for found in json.loads(outcome.stdout)]
    assert labels == [["cat"], ["cat"]]
    assert outcome.stderr == "thresholds of its own\n"


@pytest.mark.usefixtures("images", "chosen")
def test_a_given_score_threshold_replaces_the_chosen_ones():
    outcome = singleshot("predict", "m", "in/a.jpg", "--score-threshold", "0.3", "--json")
    assert [one["label"] for one in json.loads(outcome.stdout)[0]["detections"]] == ["dog"]
    assert outcome.stderr == ""


@pytest.mark.usefixtures("images")
def test_detections_are_printed_as_a_table():
    assert singleshot("predict", "m", "in/a.jpg").stdout.splitlines() == [
        "in/a.jpg (40 x 30): 1 found",
        "  label  score   x1   y1    x2    y2",
        "  dog     0.75  0.0  1.0  10.0  12.0",
    ]


@pytest.mark.usefixtures("images")
def test_an_image_without_detections_is_printed_too():
    outcome = singleshot("predict", "m", "in/a.jpg", "--score-threshold", "0.9")
    assert outcome.stdout == "in/a.jpg (40 x 30): 0 found\n"


@pytest.mark.usefixtures("images")
def test_every_image_is_drawn():
    outcome = singleshot("predict", "m", "in", "--draw", "out")
    assert outcome.stderr == "Drawings: out\n"
    for name in ("a.jpg", "b.png"):
        with Image.open(f"out/{name}") as drawing:
            colours = drawing.convert("RGB").getcolors(maxcolors=1 << 24)
        assert len(colours) > 1  # the images themselves are gray all over


def test_the_image_is_not_drawn_over(images):
    before = (images / "a.jpg").read_bytes()
    outcome = singleshot("predict", "m", "in", "--draw", "in")
    assert outcome.exit_code == 2
    assert "would write over the image" in outcome.stderr
    assert (images / "a.jpg").read_bytes() == before


@pytest.mark.parametrize("json_or_not", [["--json"], []])
def test_a_broken_image_is_named_at_the_end_and_the_others_are_done(images, json_or_not):
    (images / "aa.jpg").write_bytes(b"no image")
    outcome = singleshot("predict", "m", "in", "--draw", "out", *json_or_not)
    assert outcome.exit_code == 1
    assert outcome.stderr.splitlines() == [
        "Drawings: out",
        "Error: 1 of 3 images could not be read; the others are done",
        "  in/aa.jpg: is not an image, or of an unknown format; replace or remove it",
    ]
    assert all(name in outcome.stdout for name in ("in/a.jpg", "in/b.png"))
    assert sorted(path.name for path in (images.parent / "out").iterdir()) == ["a.jpg", "b.png"]
    if json_or_not:
        assert len(json.loads(outcome.stdout)) == 2


def test_nothing_but_broken_images_is_impossible(images):
    (images / "c.jpg").write_bytes(b"no image")
    outcome = singleshot("predict", "m", "in/c.jpg", "--json")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("Error: in/c.jpg: is not an image")


@pytest.mark.usefixtures("images")
def test_a_file_in_place_of_the_folder_for_drawings_is_found_before_the_work():
    outcome = singleshot("predict", "m", "in", "--draw", "in/a.jpg")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr == "Error: in/a.jpg: is a file; choose the path of a folder\n"


def test_the_model_is_checked_before_images_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = singleshot("predict", "nosuch", "nowhere")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("Error: nosuch: there is no such run folder")
