"""The table that an export ends with."""

# Tests singleshot/exporting/parity_table.py

from __future__ import annotations

import dataclasses
import shutil

import pytest
import torch
from cells import COLOURS, make_cells
from command_line import singleshot as run_program
from small_ssd import make_images, make_run, small_ssd

import singleshot
from singleshot.errors import RunFailed
from singleshot.exporting.parity import is_same, output_errors
from singleshot.structures import Detections

LIMITS = {"size": (100, 200), "score_threshold": 0.01, "keep": 3}


def detections(*rows):
    boxes = torch.tensor([[10.0, 10.0, 10.0 + width, 50.0] for width, _, _ in rows]).reshape(-1, 4)
    scores = torch.tensor([score for _, score, _ in rows])
    return Detections(boxes, scores, torch.tensor([label for _, _, label in rows], dtype=torch.int))


def test_detections_in_another_order_are_the_same():
    ones = detections((20, 0.9, 0), (40, 0.9, 1), (60, 0.5, 1))
    others = detections((40.1, 0.9001, 1), (20, 0.8999, 0), (60, 0.5, 1))
    assert is_same(ones, others, **LIMITS)


@pytest.mark.parametrize("rest", [[], [(60, 0.1, 1)]])
@pytest.mark.parametrize("row", [(21, 0.9, 0), (20, 0.89, 0), (20, 0.9, 1), (60, 0.2, 1), None])
def test_another_box_score_or_label_is_not_the_same(row, rest):
    found = detections((20, 0.9, 0), *rest)
    others = detections(*([] if row is None else [row]), *rest)
    assert is_same(found, found, **LIMITS)
    assert not is_same(found, others, **LIMITS)
    assert not is_same(others, found, **LIMITS)


def test_a_score_at_the_threshold_may_be_above_and_below():
    found = detections((20, 0.9, 0), (60, 0.0101, 1))
    assert is_same(found, detections((20, 0.9, 0)), **LIMITS)
    assert not is_same(detections((20, 0.9, 0), (60, 0.02, 1)), detections(), **LIMITS)


def test_of_as_many_detections_as_are_kept_the_last_may_differ():
    first = [(20, 0.9, 0), (40, 0.8, 0)]
    found, others = detections(*first, (60, 0.5, 1)), detections(*first, (80, 0.5001, 1))
    assert is_same(found, others, **LIMITS)
    assert not is_same(found, others, **{**LIMITS, "keep": 4})


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    pytest.importorskip("onnxscript")
    home = tmp_path_factory.mktemp("parity")
    make_cells(home / "cells")
    make_run(home / "run", classes=tuple(COLOURS))
    done = run_program(
        *("export", str(home / "run"), "--to", "onnx", "--output", str(home / "model")),
        *("--evaluate", str(home / "cells"), "--skip-timing"),
    )
    assert done.exit_code == 0, done.stderr
    return home / "model", done.stdout


def test_the_table_compares_outputs_detections_ap_and_size(exported):
    folder, table = exported
    parity = singleshot.load(folder).manifest.parity
    assert parity["same_detections"] == parity["images"] > 0
    assert parity["outputs"]["scores"]["max_error"] < 2e-4
    precision = parity["average_precision"]
    assert precision["exported"] == pytest.approx(precision["pytorch"], abs=1e-6)
    for row in ("largest error of boxes", "images with the same detections", "AP, ", "size, MB"):
        assert row in table


def test_images_calibrated_on_are_not_evaluated(tmp_path):
    pytest.importorskip("nncf")
    data = make_cells(tmp_path / "cells")
    shutil.rmtree(data / "ImageSets")
    make_run(tmp_path / "run", classes=tuple(COLOURS))
    done = run_program(
        *("export", str(tmp_path / "run"), "--to", "openvino", "--output", str(tmp_path / "model")),
        *("--int8", "--calibrate", str(data), "--max-drop", "100", "--max-error", "100"),
        "--skip-timing",
    )
    assert done.exit_code == 0, done.stderr
    manifest = singleshot.load(tmp_path / "model").manifest
    assert manifest.quantization["calibration_images"] == 5
    assert manifest.parity["average_precision"]["images"] == 5


def test_outputs_of_the_same_network_differ_by_rounding(exported):
    exportable = small_ssd(classes=tuple(COLOURS)).exportable()
    errors = output_errors(singleshot.load(exported[0]), exportable, make_images(2))
    assert all(found["relative_rms"] < 1e-5 for found in errors.values())


def test_outputs_of_another_network_are_refused(exported):
    exportable = small_ssd(classes=tuple(COLOURS)).exportable()
    priors = exportable.priors_cxcywh_unit + 0.01
    moved = dataclasses.replace(exportable, priors_cxcywh_unit=priors)
    with pytest.raises(RunFailed, match=r"boxes of .*onnx, float32. differ from PyTorch's"):
        output_errors(singleshot.load(exported[0]), moved, make_images(2))
