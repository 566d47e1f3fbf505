"""Where the time goes: by part, and together a step."""

import gzip
import json

import pytest
import torch
from cells import make_cells

import singleshot
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.data.opening import open_dataset
from singleshot.training import profile as profiling
from singleshot.training.profile import Profile, StepPart

OVERRIDES = {"training.epochs": 1, "training.batch_size": 3, "model.input": [96, 128]}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run with a profile and one without."""
    folder = tmp_path_factory.mktemp("profile")
    cells = make_cells(folder / "cells")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiling, "PROFILED", 2)
        patch.setattr(profiling, "SIDE", 256)
        return [
            singleshot.train(
                "ssdlite320-lite0", cells, run=folder / name, overrides=OVERRIDES, profile=profiled
            )
            for name, profiled in (("with", True), ("without", False))
        ]


def test_the_table_names_the_parts_of_a_step(runs):
    text = (runs[0].folder / "profile.txt").read_text()
    for part in (
        "waiting for data",
        "matching and loss",
        "convolution, forward",
        "convolution, backward",
        "depthwise convolution, forward",
        "batch norm, backward",
        "activation, forward",
        "optimizer",
        "average of weights",
        "other",
        "GFLOP/s",
    ):
        assert part in text
    assert text.count("aten::") >= 5  # of the ten operators that took longest


def test_parts_are_a_whole_step(runs):
    lines = (runs[0].folder / "profile.txt").read_text().split("GFLOP/s")[0].splitlines()
    shares = [float(line.split()[-1].rstrip("%")) for line in lines if line.endswith("%")]
    assert len(shares) >= 10
    assert sum(shares) == pytest.approx(100, abs=1)


def test_the_trace_is_one_that_browsers_show(runs):
    with gzip.open(runs[0].folder / "profile.json.gz") as file:
        trace = json.load(file)
    names = {event.get("name") for event in trace["traceEvents"]}
    assert {"singleshot: data", "singleshot: losses", "singleshot: network"} <= names


def test_the_run_is_as_without_a_profile(runs):
    ours, theirs = (Checkpoint.load(run.folder / "checkpoints/last.safetensors") for run in runs)
    assert all(torch.equal(ours.weights[key], theirs.weights[key]) for key in theirs.weights)
    assert not (runs[1].folder / "profile.txt").exists()


def test_operations_are_counted_against_what_a_matrix_product_reaches():
    profile = Profile(
        parts=(StepPart("convolution, forward", 0.3), StepPart("other", 0.1)),
        seconds_per_step=0.35,
        seconds_per_step_profiled=0.4,
        gflop_per_step=7.0,
        peak_gflops=200.0,
        operators="",
    )
    assert profile.gflops == pytest.approx(20)
    lines = str(profile).splitlines()
    assert lines[0] == "one step: 350 ms (400 ms while profiled, as below)"
    assert lines[1].split() == ["convolution,", "forward", "300.0", "ms", "75.0%"]
    assert lines[3] == "20.0 GFLOP/s, 10% of the 200.0 that a large matrix product reaches here"


@pytest.mark.parametrize(
    ("groups", "forward"),
    # Multiplications and additions: 9 taps of each input channel of the group, 100 places.
    [(1, 2 * 9 * 8 * 16 * 100), (4, 2 * 9 * 2 * 16 * 100), (8, 2 * 9 * 1 * 16 * 100)],
)
@pytest.mark.parametrize("learned", [True, False])
def test_a_gradient_of_a_convolution_counts_like_the_convolution(groups, forward, learned):
    convolution = torch.nn.Conv2d(8, 16, 3, padding=1, groups=groups).requires_grad_(learned)
    features = torch.rand(1, 8, 10, 10, requires_grad=True)
    with profiling.count_operations() as counter:
        convolution(features).sum().backward()
    assert counter.get_total_flops() == forward * (3 if learned else 2)


def test_cells_have_an_epoch_shorter_than_a_profile(runs):
    """A profile takes more batches than this training has, and still the training ends as usual."""
    assert runs[0].steps == 2 < profiling.NUM_BATCHES
    assert len(open_dataset(runs[0].folder.parent / "cells", "train")) == 6
