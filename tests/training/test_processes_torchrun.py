"""`torchrun -m singleshot train` on this machine: what two processes leave is what one would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cells import make_cells
from groups import free_port

import singleshot
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.data.splits import training_split
from singleshot.evaluation.detection import detect_all
from singleshot.evaluation.evaluate_predictions import evaluate_predictions
from singleshot.metrics import Protocol
from singleshot.runs.log import read_log

# No level of a single cell: batch norm over a handful of values makes anything of rounding.
OVERRIDES = {
    "model.input": [96, 96],
    "model.pyramid.extra": [],
    "model.priors.sizes_unit": [0.1, 0.3, 0.6, 1.0],
    "model.priors.aspect_ratios": [[2], [2], [2]],
    "training.steps": 4,
    "training.batch_size": 5,
    # A first step of AdamW is as long for any gradient, and so turned around by its rounding.
    "training.optimizer": "sgd",
    "training.learning_rate": 1e-3,
    "training.precision": "float32",
    "training.validate_every": 2,
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


def torchrun(cells: Path, run: Path, **more: object) -> subprocess.CompletedProcess[str]:
    """Two processes, to the end."""
    settings = [f"--set={key}={json.dumps(value)}" for key, value in {**OVERRIDES, **more}.items()]
    command = ["--nproc-per-node=2", f"--master-port={free_port()}", "-m", "--", "singleshot"]
    train = ["train", "ssdlite320-lite0", "--data", str(cells), "--run", str(run), *settings]
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *command, *train],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def together(cells, tmp_path_factory):
    """A run of two processes, and what they printed."""
    run = tmp_path_factory.mktemp("runs") / "together"
    return run, torchrun(cells, run)


def test_two_processes_have_the_losses_and_weights_of_one(cells, together, tmp_path):
    run, done = together
    assert done.returncode == 0, done.stderr
    singleshot.train("ssdlite320-lite0", cells, run=tmp_path / "alone", overrides=OVERRIDES)
    ours, theirs = (
        [record for record in read_log(folder / "log.jsonl") if record["kind"] == "step"]
        for folder in (run, tmp_path / "alone")
    )
    assert [record["step"] for record in ours] == [1, 2, 3, 4]
    for one, other in zip(ours, theirs, strict=True):
        assert one["matched_priors"] == other["matched_priors"]
        for term in ("localization", "classification"):
            assert one[term] == pytest.approx(other[term], rel=1e-3)
    weights, expected = (
        Checkpoint.load(folder / "checkpoints/last.safetensors").weights
        for folder in (run, tmp_path / "alone")
    )
    assert list(weights) == list(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-2, atol=1e-3)


def test_validation_in_two_processes_gives_the_very_numbers_of_one(cells, together):
    run, _ = together
    validation = training_split([cells], None, None, 0).validation
    alone = evaluate_predictions(
        detect_all(singleshot.load(run), validation), validation, protocol=Protocol.COCO
    )
    best = Checkpoint.load(run / "checkpoints/last.safetensors").metrics["best"]
    assert best == (alone.mean_average_precision or 0.0)


def test_one_process_prints_and_writes(together):
    run, done = together
    assert done.stdout.count("run: ") == 1
    assert done.stderr.count("validating on 2 images") == 1
    records = read_log(run / "log.jsonl")
    assert len({(record["kind"], record["step"]) for record in records}) == len(records)
    assert len(list((run / "tensorboard").iterdir())) == 1
    assert not [path for path in run.rglob("*") if path.suffix == ".part"]


def test_an_error_is_printed_once(cells, together):
    run, _ = together
    done = torchrun(cells, run)
    assert done.returncode != 0
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert "already holds a finished run" in error
