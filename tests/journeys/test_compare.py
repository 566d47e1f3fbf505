"""Two detectors compared on the command line."""

# Tests singleshot/cli/compare.py

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import change_folder, help_examples, singleshot

import singleshot as package
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.comparison.tables import format_comparison

DOCS = Path(__file__).resolve().parents[2] / "docs"


def with_classes(run: str, other: str, names: tuple[str, ...]) -> str:
    """A run with the same weights whose classes are called something else."""
    path = Path(other, "checkpoints", "best.safetensors")
    checkpoint = Checkpoint.load(Path(run, "checkpoints", "best.safetensors"))
    replace(checkpoint, class_names=names).save(path)
    shutil.copy(Path(run, "recipe.toml"), Path(other, "recipe.toml"))
    return other


@pytest.fixture(scope="module")
def other_run(home, cells_run) -> str:
    """The same weights, whose classes have exchanged their names: another detector."""
    run = str(home / "runs/cells-2")
    return with_classes(str(home / cells_run), run, ("WBC", "RBC"))


@pytest.fixture(scope="module")
def compared(home, other_run):
    """The first example of the help text, with published numbers."""
    assert other_run.endswith("cells-2")
    first, _ = help_examples("compare")
    with change_folder(home):
        return singleshot(*first[1:], "--json", "--published", "--speed-images", "2")


def keys_of(value: object) -> object:
    """The keys of a document, and of those in it; of a list those of its first entry."""
    if isinstance(value, dict):
        return {key: keys_of(one) for key, one in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [keys_of(value[0])]
    return None


@pytest.mark.usefixtures("other_run")
def test_the_numbers_are_those_of_evaluate_and_the_keys_those_of_the_reference(compared):
    assert compared.exit_code == 0, compared.stderr
    document = json.loads(compared.stdout)
    for model in document["models"]:
        alone = json.loads(singleshot("evaluate", model["model"], "cells", "--json").stdout)
        assert model["mean_average_precision"] == alone["mean_average_precision"]
        assert model["coco"] == alone["coco"]
        for name, found in alone["per_class"].items():
            assert model["per_class"][name] == found["average_precision"]

    page = (DOCS / "reference/files-and-json.md").read_text()
    block = page.partition("## `compare --json`")[2].split("```json\n")[1].partition("```")[0]
    published, trade_offs = document.pop("published"), document.pop("published_trade_offs")
    document["models"][0]["per_class"] = {"RBC": None}
    assert keys_of(document) == keys_of(json.loads(block))
    assert all(f'"{key}"' in page for key in (*published[0], *trade_offs[0]))


def test_the_first_example_writes_a_page_and_the_same_numbers_as_json(home, compared):
    page = (home / "compared/report.html").read_text()
    assert "Pairwise differences" in page
    assert "cells-2" in page
    kept = json.loads((home / "compared/comparison.json").read_text())
    assert kept == json.loads(compared.stdout)
    assert "Report: compared/report.html" in compared.stderr
    assert "evaluating on 2 images" in compared.stderr


def test_every_detector_has_speed_memory_and_size(compared):
    for model in json.loads(compared.stdout)["models"]:
        alone, together = model["speed"]
        assert (alone["batch"], together["batch"]) == (1, 8)
        assert alone["num_timings"] == 6  # one of two images in each of six rounds
        phases = ("preprocess_ms", "network_ms", "postprocess_ms")
        assert all(0 < alone[phase] < alone["total_ms"] * 2 for phase in phases)
        assert alone["peak_memory_mb"] > model["memory_before_mb"] > 50
        assert model["macs"] > 1e6
        size = Path(model["model"], "checkpoints/best.safetensors").stat().st_size
        assert model["file_bytes"] == size


def test_the_terminal_shows_tables(compared):
    text = format_comparison(json.loads(compared.stdout))
    assert "protocol coco: 2 images, 4 truths; mAP at IoU 0.5 to 0.95" in text
    assert "in batches" in text
    assert "cells - cells-2" in text or "cells-2 - cells" in text
    assert "not significant" in text  # as of two images
    assert "published, not measured here" in text


MISTAKES = {
    "one model": (["runs/cells"], ["--data", "cells"], "two models at least"),
    "no data": (["runs/cells", "runs/cells-2"], [], "--data DATA"),
    "no such run": (["runs/cells", "runs/none"], ["--data", "cells"], "runs/none: there is no"),
    "no such data": (["runs/cells", "runs/cells-2"], ["--data", "none"], "none: there is no such"),
    "twice": (["runs/cells", "runs/cells"], ["--data", "cells"], "given twice"),
    "no checkpoint": (["runs/cells", "cells/a.txt"], ["--data", "cells"], "not a checkpoint"),
    "classes": (
        ["runs/cells", "runs/strange"],
        ["--data", "cells"],
        "runs/strange cannot be compared here: .*model does not have: 'RBC'.*it has cat, dog",
    ),
    "two of a system": (
        ["runs/yolo-v1", "yolo-v1=runs/cells"],
        ["--tutorial", "--data", "cells"],
        "runs/yolo-v1 and runs/cells are both of yolo-v1",
    ),
    "unknown system": (["nothing=runs/cells"], ["--tutorial"], "is no system of the tutorial"),
    "not of the tutorial": ([], ["--tutorial", "--speed-images", "3"], "leave out"),
    "no data for runs": (["localizer=runs/cells"], ["--tutorial"], "evaluate the runs on"),
}


@pytest.mark.usefixtures("other_run")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_impossible_comparison_is_refused_in_a_line(mistake, cells_run):
    models, options, message = MISTAKES[mistake]
    if not Path("runs/strange").exists():
        with_classes(cells_run, "runs/strange", ("cat", "dog"))
        Path("cells/a.txt").write_text("no weights")
    done = singleshot("compare", *models, *options)
    assert done.exit_code == 2
    assert re.search(message, done.stderr), done.stderr
    assert len(done.stderr.splitlines()) <= 3
    assert done.stdout == ""


def test_the_tutorials_tables_have_what_is_built_and_a_run_beside_it(home, cells_run):
    result = package.compare_with_tutorial(
        {"localizer": cells_run}, "cells", systems=["localizer"], report="tutorial"
    )
    own = result.systems["localizer"]
    assert own.num_boxes == 1
    assert own.input == (224, 224)
    assert own.frames_per_second > 0
    assert own.run.input == (96, 128)
    other = result.systems["ssd300-vgg16"]
    assert other.missing == "not measured in this run"
    page = (home / "tutorial/report.html").read_text()
    assert "Detection Networks Comparisons" in page
    assert json.loads((home / "tutorial/tutorial.json").read_text()) == result.to_json()
