"""From measured images to a detector that keeps what was chosen."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import singleshot
from PIL import Image

from singleshot import load, run_weights
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.evaluation.detection import detect_all
from singleshot.evaluation.evaluate import open_evaluation_data
from singleshot.evaluation.evaluate_predictions import truths_of
from singleshot.metrics import Choice, OperatingPoint, Rule, choose_thresholds, find_true_positives

IMAGE = "cells/JPEGImages/train_0.jpg"


@pytest.fixture
def run(cells_run, tmp_path) -> Path:
    """A copy of the run, for which halves of what it finds were chosen."""
    folder = Path(shutil.copytree(cells_run, tmp_path / "run"))
    found, _ = found_in(IMAGE, str(folder), "--score-threshold", "0.01")
    choices = {name: Choice(middle_score(found, name), None, None, None) for name in ("RBC", "WBC")}
    run_weights(folder).save_operating_point(
        OperatingPoint(Rule.parse("f1"), 0.5, "one image", choices)
    )
    return folder


def middle_score(found: list[dict], name: str) -> float:
    """One that half of the detections of a class reach."""
    scores = sorted(one["score"] for one in found if one["label"] == name)
    return scores[len(scores) // 2]


def found_in(image: str, *words: str) -> tuple[list[dict], str]:
    """Detect in an image; return the detections and the messages."""
    model, *options = words
    done = singleshot("predict", model, image, *options, "--json")
    assert done.exit_code == 0, done.stderr
    (document,) = json.loads(done.stdout)
    return document["detections"], done.stderr


def test_predicting_keeps_what_was_chosen(run):
    point = json.loads((run / "operating_point.json").read_text())["per_class"]
    everything, _ = found_in(IMAGE, str(run), "--score-threshold", "0.01")
    kept, messages = found_in(IMAGE, str(run))
    expected = [one for one in everything if one["score"] >= point[one["label"]]["score_threshold"]]
    assert kept == expected
    assert 0 < len(kept) < len(everything)
    assert messages.startswith("keeping RBC from 0.3")
    assert messages.endswith("chosen for the best F1 on one image\n")


def test_the_drawing_shows_what_was_chosen(run, tmp_path):
    found_in(IMAGE, str(run), "--draw", str(tmp_path / "chosen"))
    found_in(IMAGE, str(run), "--score-threshold", "1", "--draw", str(tmp_path / "nothing"))
    drawn = [
        np.asarray(Image.open(tmp_path / kind / "train_0.jpg")) for kind in ("chosen", "nothing")
    ]
    assert not np.array_equal(*drawn)


def test_a_checkpoint_inside_the_run_counts_as_the_run(run, tmp_path):
    inside, alone = run / "checkpoints/best.safetensors", tmp_path / "alone.safetensors"
    shutil.copy(inside, alone)
    assert found_in(IMAGE, str(inside)) == found_in(IMAGE, str(run))
    assert found_in(IMAGE, str(alone)) == found_in(IMAGE, str(run), "--score-threshold", "0.3")


def test_weights_that_have_changed_are_noticed(run):
    best = run / "checkpoints/best.safetensors"
    checkpoint = Checkpoint.load(best)
    replace(checkpoint, metrics={**checkpoint.metrics, "step": 1000}).save(best)
    kept, messages = found_in(IMAGE, str(run))
    assert "chosen for other weights; keeping all from 0.3. Choose again" in messages
    assert kept == found_in(IMAGE, str(run), "--score-threshold", "0.3")[0]


def test_a_broken_choice_is_not_passed_over(run):
    (run / "operating_point.json").write_text("{")
    done = singleshot("predict", str(run), IMAGE)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "operating_point.json" in done.stderr


def test_what_is_out_of_reach_is_printed_and_kept_from_0_3(run):
    """Two epochs are too few to find a cell."""
    done = singleshot(
        "evaluate", str(run), "cells", "--split", "val", "--threshold-rule", "recall=0.9"
    )
    assert done.exit_code == 0, done.stderr
    kept, messages = found_in(IMAGE, str(run))
    assert "recall ≥ 0.9 is out of reach on VOC layout, split val of cells for RBC" in messages
    assert kept == found_in(IMAGE, str(run), "--score-threshold", "0.3")[0]


@pytest.fixture(scope="module")
def faces(shared, tmp_path_factory) -> Path:
    """A detector of faces as a run."""
    run = tmp_path_factory.mktemp("runs") / "faces"
    weights = shared / "weights/ultraface/version-RFB-320.pth"
    done = singleshot("models", "import", str(weights), "--output", str(run))
    assert done.exit_code == 0, done.stderr
    return run


@pytest.mark.parametrize("rule", ["precision=0.95", "fppi=0.5"])
def test_faces_are_found_as_chosen(faces, shared, rule):
    weights = run_weights(faces)
    detector = load(faces)
    dataset = open_evaluation_data(shared / "data/dlib_faces", None, None, class_names=None)
    dataset = replace(dataset, class_names=detector.class_names)  # what it calls an object
    truths, predictions = truths_of(dataset), detect_all(detector, dataset)
    ignore = truths.crowd | truths.difficult
    point = choose_thresholds(
        predictions,
        truths,
        detector.class_names,
        rule=Rule.parse(rule),
        iou_threshold=0.4,
        ignore=ignore,
        data=dataset.description,
    )
    weights.save_operating_point(point)

    (chosen,) = point.per_class.values()
    kept = predictions[predictions.scores >= chosen.score_threshold]
    outcomes = find_true_positives(kept, truths, ignore=ignore, iou_threshold=0.4)
    num_true_positives, num_false_positives = (
        outcomes.true_positive.sum(),
        (~outcomes.true_positive & ~outcomes.ignored).sum(),
    )
    assert chosen.precision == num_true_positives / (num_true_positives + num_false_positives)
    assert chosen.recall == num_true_positives / (~ignore).sum()
    assert chosen.false_positives_per_image == num_false_positives / len(dataset)

    done = singleshot("predict", str(faces), *map(str, dataset.paths), "--json")
    found = [one for document in json.loads(done.stdout) for one in document["detections"]]
    assert len(found) == pytest.approx(len(kept), abs=1)  # batches of another size round otherwise
    assert point.rule.sentence in done.stderr


def test_thresholds_for_a_checkpoint_that_stands_alone_are_printed_but_not_saved(
    cells_run, tmp_path
):
    alone = tmp_path / "alone.safetensors"
    shutil.copy(Path(cells_run) / "checkpoints" / "last.safetensors", alone)
    done = singleshot("evaluate", str(alone), "cells", "--threshold-rule", "f1", "--json")
    assert done.exit_code == 0, done.stderr
    assert "belongs to no run: its score thresholds are printed, but not kept" in done.stderr
    assert json.loads(done.stdout)["operating_point"]["rule"] == "f1"
    assert [path.name for path in tmp_path.iterdir()] == ["alone.safetensors"]
