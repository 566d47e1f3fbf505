from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import singleshot


def log_of(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_a_run_holds_what_the_reference_lists(cells_run):
    for name in (
        "recipe.toml",
        "log.jsonl",
        "checkpoints/best.safetensors",
        "checkpoints/last.safetensors",
    ):
        assert Path(cells_run, name).stat().st_size > 0
    assert Path(cells_run, "training_state").is_dir()


def test_a_number_for_every_class_of_the_test_images(cells_run):
    done = singleshot("evaluate", cells_run, "cells", "--protocol", "voc07", "--json")
    report = json.loads(done.stdout)
    assert (report["images"], report["truths"]) == (2, 4)
    assert set(report["per_class"]) == {"RBC", "WBC"}
    assert "test" in done.stderr


def test_an_evaluation_leaves_one_page_and_its_predictions(cells_run):
    options = ("--report", "report", "--save-predictions", "found.json")
    done = singleshot("evaluate", cells_run, "cells", *options)
    assert done.exit_code == 0, done.stderr
    assert "mean average precision" in done.stdout
    assert 'src="http' not in Path("report/report.html").read_text()
    assert isinstance(json.loads(Path("found.json").read_text()), list)


def test_predictions_are_drawn_and_listed(cells_run):
    options = ("--score-threshold", "0.01", "--draw", "drawn", "--json")
    done = singleshot("predict", cells_run, "cells/JPEGImages", *options)
    images = json.loads(done.stdout)
    assert len(images) == 10
    assert {"image", "width", "height", "detections"} == set(images[0])
    assert len(list(Path("drawn").iterdir())) == 10


def test_a_finished_run_is_not_written_over(cells_run, train):
    before = Path(cells_run, "checkpoints/last.safetensors").read_bytes()
    done = train("--data", "cells", "--run", "runs/cells")
    assert done.exit_code == 2
    assert "runs/cells" in done.stderr
    assert Path(cells_run, "checkpoints/last.safetensors").read_bytes() == before


def test_ctrl_c_stops_cleanly_and_resume_continues(recipe):
    words = ["train", *recipe, "--set", "training.epochs=12", "--data", "cells", "--run", "stopped"]
    command = [sys.executable, "-m", "singleshot", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "step 1/" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert "singleshot train --resume stopped" in rest
    stopped_at = max(record["step"] for record in log_of(Path("stopped")))

    done = singleshot("train", "--resume", "stopped")
    assert done.exit_code == 0, done.stderr
    steps = [record["step"] for record in log_of(Path("stopped")) if "localization" in record]
    assert steps == list(range(1, 25))
    assert stopped_at < 24


@pytest.mark.parametrize("words", [("list",), ("show", "ssd300-vgg16")], ids=" ".join)
def test_recipes_can_be_looked_at(words):
    done = singleshot("models", *words, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)


def test_the_papers_counts():
    shown = json.loads(singleshot("models", "show", "ssd300-vgg16", "--json").stdout)
    assert (shown["num_boxes"], shown["parameters"]) == (8732, 26_285_486)
    heads = [(level["box_channels"], level["class_channels"]) for level in shown["levels"]]
    assert heads == [(16, 84), (24, 126), (24, 126), (24, 126), (16, 84), (16, 84)]


def test_the_text_shows_the_heads_of_each_level():
    small = ("--set", "model.input=[96,96]", "--set", "model.backbone.weights=none")
    text = singleshot("models", "show", "ssdlite320-lite0", *small, "--num-classes", "5").stdout
    header = "level grid stride channels priors per cell box channels class channels"
    table = [" ".join(line.split()) for line in text.splitlines()]
    assert "0 12 x 12 8 96 4 16 24" in table[table.index(header) :]
