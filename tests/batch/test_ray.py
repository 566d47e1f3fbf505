"""Ray Data with two workers gives what one process gives, whoever is killed meanwhile."""

# Tests singleshot/batch/predictor.py, singleshot/batch/results.py

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cells import COLOURS, make_image
from small_ssd import make_run

import singleshot
from singleshot.batch import Predictor

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'singleshot[batch]'")
DRIVER = Path(__file__).resolve().parents[1] / "ray_driver.py"
NUM_IMAGES, NUM_SHARDS = 200, 8
PATIENCE = 600.0  # seconds, on a busy machine


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Annotated cells, the same images as shards of two kinds, and a detector."""
    from ray_driver import write_parquet, write_tars

    home = tmp_path_factory.mktemp("ray")
    for part in ("JPEGImages", "Annotations"):
        (home / "cells" / part).mkdir(parents=True)
    random = np.random.default_rng(0)
    names = [f"image_{index:03d}" for index in range(NUM_IMAGES)]
    for name in names:
        make_image(home / "cells", name, COLOURS, random)
    images = [
        (f"{name}.jpg", (home / "cells/JPEGImages" / f"{name}.jpg").read_bytes()) for name in names
    ]
    write_parquet(images, home / "parquet", NUM_SHARDS)
    write_tars(images, home / "tars", NUM_SHARDS)
    make_run(home / "run", classes=tuple(COLOURS))
    return home


@pytest.fixture(scope="module")
def expected(home) -> dict[str, list[dict[str, object]]]:
    """Detections of one process, by the name of the image."""
    predictor = Predictor(home / "run", score_threshold=0, device="cpu")
    paths = sorted((home / "cells/JPEGImages").iterdir())
    rows = predictor.predict_rows(
        {"path": [path.name for path in paths], "bytes": [path.read_bytes() for path in paths]}
    )
    return {Path(row["image"]).stem: row for row in rows}


def drive(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a driver to its end."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(DRIVER.parents[1]), *sys.path]),
        "OMP_NUM_THREADS": "1",
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    done = subprocess.run(
        [sys.executable, str(DRIVER), *words],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if "Failed to start" in done.stderr or "node timed out" in done.stderr:
        pytest.skip(f"Ray cannot start here: {done.stderr.splitlines()[-1]}")
    return done


def require_equal(results: Path, expected) -> None:
    """Compare a results file with the detections of one process."""
    found: dict[str, list[dict[str, object]]] = {}
    for entry in json.loads(results.read_text()):
        found.setdefault(Path(entry["image_id"]).stem, []).append(entry)
    assert set(found) == {name for name, row in expected.items() if row["scores"]}
    for name, entries in found.items():
        row = expected[name]
        assert [entry["category_name"] for entry in entries] == row["names"]
        assert [entry["score"] for entry in entries] == row["scores"]
        corners = [(x, y, x + w, y + h) for x, y, w, h in (entry["bbox"] for entry in entries)]
        np.testing.assert_allclose(corners, row["boxes"], atol=1e-4)


def test_parquet_is_resumed_after_the_driver_and_a_worker_are_killed(home, expected):
    results = home / "killed" / "results.json"
    killed = drive(home, "parquet", "run", "killed/results.json", "--kill-driver", "90")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not results.exists()

    fatal_image = "image_199.jpg"
    again = drive(home, "parquet", "run", "killed/results.json", "--kill-worker", fatal_image)
    assert again.returncode == 0, again.stderr
    assert (results.parent / "killed").exists()
    summary = json.loads(again.stdout.splitlines()[-1])
    assert (summary["finished_before"], summary["num_repeated"]) == (80, 0)
    assert summary["num_images"] == NUM_IMAGES
    require_equal(results, expected)


def test_webdataset_shards_give_results_that_score_evaluates(home, expected):
    done = drive(home, "tars", "run", "whole/results.json")
    assert done.returncode == 0, done.stderr
    require_equal(home / "whole" / "results.json", expected)
    scored = singleshot.score(home / "whole" / "results.json", home / "cells")
    evaluated = singleshot.evaluate(home / "run", home / "cells", device="cpu")
    assert scored.mean_average_precision == evaluated.mean_average_precision
