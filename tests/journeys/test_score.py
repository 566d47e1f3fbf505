"""Predictions of any tool, evaluated from the command line."""

# Tests singleshot/cli/score.py

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest
from cells import make_cells
from command_line import singleshot
from PIL import Image

from singleshot.data.opening import open_dataset


def test_cocoapis_own_example_gives_its_published_numbers(shared):
    folder = shared / "metric-cases/cocoapi_fakebbox100"
    done = singleshot(
        "score",
        str(folder / "instances_val2014_fakebbox100_results.json"),
        str(folder / "instances_val2014_100.json"),
        "--json",
    )
    assert done.exit_code == 0, done.stderr
    numbers = json.loads(done.stdout)["coco"]
    published = [0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564]
    assert list(numbers.values()) == pytest.approx(published, abs=5e-4)


def test_what_evaluate_saved_scores_the_same(cells_run, tmp_path):
    saved = str(tmp_path / "predictions.json")
    evaluated = singleshot("evaluate", cells_run, "cells", "--json", "--save-predictions", saved)
    scored = singleshot("score", saved, "cells", "--json")
    assert scored.exit_code == 0, scored.stderr
    assert json.loads(scored.stdout) == json.loads(evaluated.stdout)
    page = singleshot("score", saved, "cells", "--report", str(tmp_path / "report"))
    assert page.exit_code == 0, page.stderr
    assert (tmp_path / "report/report.html").is_file()


def test_boxes_of_photographs_on_their_side_are_turned_as_in_evaluate(tmp_path):
    folder = make_cells(tmp_path / "cells")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise; the boxes are those of the stored pixels
    for path in sorted((folder / "JPEGImages").glob("test*")):
        with Image.open(path) as image:
            image.save(path, exif=exif)
    dataset = open_dataset(folder, "test")
    detections = [
        {
            "image": Path(path).name,
            "detections": [
                {"box": box, "label": dataset.class_names[label], "score": 0.9}
                for box, label in zip(truth.boxes.tolist(), truth.labels.tolist(), strict=True)
            ],
        }
        for path, truth in (
            (path, dataset.truth(index)) for index, path in enumerate(dataset.paths)
        )
    ]
    (tmp_path / "predictions.json").write_text(json.dumps(detections))
    scored = singleshot("score", str(tmp_path / "predictions.json"), str(folder), "--json")
    assert json.loads(scored.stdout)["mean_average_precision"] == 1


def test_shares_of_the_images_saved_in_one_folder_score_as_the_whole(cells_run, tmp_path):
    for share in ("1/3", "2/3", "3/3"):
        file = tmp_path / "shares" / f"{share[0]}.json"
        done = singleshot(
            "evaluate", cells_run, "cells", "--shard", share, "--save-predictions", str(file)
        )
        assert done.exit_code == 0, done.stderr
        assert f"Share {share[0]} of 3: {file}" in done.stderr
    scored = singleshot("score", str(tmp_path / "shares"), "cells", "--json")
    whole = singleshot("evaluate", cells_run, "cells", "--json")
    assert json.loads(scored.stdout) == json.loads(whole.stdout)


def test_options_add_keys_beside_the_fixed_ones(cells_run, tmp_path):
    saved = str(tmp_path / "predictions.json")
    plain = singleshot("evaluate", cells_run, "cells", "--json", "--save-predictions", saved)
    options_given = [
        "--diagnose",
        "--against",
        saved,
        "--threshold-rule",
        "f1",
        "--iou-threshold",
        "0.5",
    ]
    scored = singleshot("score", saved, "cells", "--json", *options_given)
    assert scored.exit_code == 0, scored.stderr
    fixed, document = json.loads(plain.stdout), json.loads(scored.stdout)
    assert {key: document[key] for key in fixed} == fixed
    assert set(document) - set(fixed) == {"diagnosis", "comparison", "operating_point"}
    against_itself = document["comparison"]["mean_average_precision"]
    keys = ("difference", "low", "high", "images")
    assert [against_itself[key] for key in keys] == [0, None, None, 2]  # too few for an interval
    assert document["operating_point"]["rule"] == "f1"
    for name, numbers in fixed["per_class"].items():
        choice = document["operating_point"]["per_class"][name]
        assert choice["score_threshold"] == numbers["best_f1"]["score_threshold"]
    as_text = singleshot("score", saved, "cells", *options_given)
    for title in (
        "AP at IoU 0.5 if fixed",
        "hardest images",
        "against the others",
        "FPPI",
    ):
        assert title in as_text.stdout


def test_slices_by_an_attribute_cover_all_images(cells_run, tmp_path):
    saved, table = str(tmp_path / "predictions.json"), tmp_path / "light.csv"
    singleshot("evaluate", cells_run, "cells", "--json", "--save-predictions", saved)
    names = sorted(path.name for path in Path("cells/JPEGImages").iterdir())
    rows = [f"{name},{'day' if index % 2 else 'night'}" for index, name in enumerate(names)]
    table.write_text("\n".join(["image,light", *rows]))
    scored = singleshot("score", saved, "cells", "--attributes", str(table), "--json")
    assert scored.exit_code == 0, scored.stderr
    document = json.loads(scored.stdout)
    light = [one for one in document["diagnosis"]["slices"] if one["by"] == "light"]
    assert {one["name"] for one in light} == {"day", "night"}
    assert sum(one["images"] for one in light) == document["images"]
    assert sum(one["truths"] for one in light) == document["truths"]


@pytest.mark.usefixtures("cells_run")
def test_predictions_that_are_not_there_are_reported_missing(tmp_path):
    done = singleshot("score", str(tmp_path / "none.json"), "cells")
    assert done.exit_code == 2
    assert "none.json" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--against", "nowhere.json"], "nowhere.json"),
        (["--attributes", "nowhere.csv"], "nowhere.csv: there is no such"),
        (["--report", "cells/ImageSets/Main/test.txt"], "is a file"),
        (["--save-predictions", "cells"], "cells: is a folder; choose the path of a file"),
    ],
)
def test_what_cannot_be_read_or_written_is_reported_before_hours_of_detecting(
    cells_run, monkeypatch, options, message
):
    monkeypatch.setattr("singleshot.evaluation.evaluate.detect_all", None)
    done = singleshot("evaluate", cells_run, "cells", *options)
    assert done.exit_code == 2, done.stderr
    assert message in done.stderr


def test_the_page_has_the_command_that_makes_it_again(cells_run, tmp_path):
    saved = str(tmp_path / "found here.json")
    singleshot("evaluate", cells_run, "cells", "--json", "--save-predictions", saved)
    options = ["--split", "test", "--protocol", "voc10", "--iou-threshold", "0.6"]
    folder = str(tmp_path / "report")
    singleshot(
        "score", saved, "cells", *options, "--threshold-rule", "recall=0.5", "--report", folder
    )
    command = f"singleshot score '{saved}' cells {' '.join(options)} --report {folder}"
    page = html.unescape((tmp_path / "report/report.html").read_text())
    assert f"{command} --threshold-rule recall=0.5" in page
