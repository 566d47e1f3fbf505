"""Exporting from Python and the command line, beyond the contract of all runtimes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from command_line import singleshot as run_program
from small_ssd import make_images, make_run, small_recipe, small_ssd

import singleshot
from singleshot.errors import ModelError, RunFailed, SingleshotError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

# Those of accelerators' compilers; no reshaping, no concatenation.
RAW_OPERATORS = {"Conv", "Clip", "Relu", "Add", "Pad"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("export") / "small")


def test_a_detector_in_memory_is_exported_and_stays_as_it_was(run, tmp_path):
    detector = singleshot.load(run, "cpu").train()
    weights = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    result = singleshot.export(detector, "onnx", output=tmp_path / "model", skip_timing=True)
    assert detector.training
    assert all(torch.equal(one, weights[name]) for name, one in detector.state_dict().items())
    assert result.manifest.detector.checkpoint == str(run / "checkpoints" / "last.safetensors")
    assert result.manifest.parity["same_detections"] == result.manifest.parity["images"]


def test_the_default_folder_is_named_after_run_and_format(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--to", "onnx", "--contract", "raw", "--skip-timing", "--json")
    done = run_program("export", str(run), *words)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["folder"] == "exports/small-onnx"
    folder = tmp_path / "exports" / "small-onnx"
    assert {"model.onnx", "model.json", "detect.py"} <= {path.name for path in folder.iterdir()}
    again = run_program("export", str(run), "--to", "onnx")
    assert again.exit_code == 2
    assert "exports/small-onnx: is not empty" in again.stderr


def test_a_broken_package_is_named(run, tmp_path, monkeypatch):
    def build_onnx(_job):
        raise ImportError("libfoo.so: cannot open shared object file")

    monkeypatch.setattr("singleshot.exporting.formats.onnx.convert.build_onnx", build_onnx)
    with pytest.raises(SingleshotError, match=r"libfoo.*install it again: pip install"):
        singleshot.export(run, "onnx", output=tmp_path / "model", skip_timing=True)
    assert not (tmp_path / "model").exists()


def test_raw_outputs_need_no_reshaping(run, tmp_path):
    options = {"contract": "raw", "pixels": "normalized", "skip_timing": True}
    singleshot.export(run, "onnx", output=tmp_path / "model", **options)
    graph = onnx.load(str(tmp_path / "model" / "model.onnx")).graph
    assert {node.op_type for node in graph.node} <= RAW_OPERATORS
    names = [output.name for output in graph.output]
    assert names == ["offsets_0", "offsets_1", "logits_0", "logits_1"]


@pytest.mark.parametrize("scores", ["softmax", "sigmoid"])
def test_a_jetson_gets_its_names_and_a_background(scores, tmp_path):
    run = make_run(tmp_path / "run", small_recipe(heads__scores=scores))
    folder = tmp_path / "model"
    singleshot.export(run, "onnx", target="jetson", output=folder, skip_timing=True)
    graph = onnx.load(str(folder / "model.onnx")).graph
    shapes = {
        one.name: [dim.dim_value for dim in one.type.tensor_type.shape.dim]
        for one in (*graph.input, *graph.output)
    }
    assert shapes == {"input_0": [1, 3, 64, 96], "scores": [1, 132, 4], "boxes": [1, 132, 4]}
    assert (folder / "labels.txt").read_text().split() == ["BACKGROUND", "cat", "dog", "bird"]
    detector = singleshot.load(folder)
    (found,) = detector.detect(make_images(1))
    (expected,) = singleshot.load(run, "cpu").detect(make_images(1))
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-4, rtol=0)
    assert found.labels.tolist() == expected.labels.tolist()


def test_a_jetson_takes_no_other_contract(run, tmp_path):
    done = run_program(
        *("export", str(run), "--to", "onnx", "--target", "jetson", "--contract", "raw"),
        *("--output", str(tmp_path / "model")),
    )
    assert done.exit_code == 2
    assert "the target 'jetson' takes 'decoded', not 'raw'" in done.stderr


def test_what_is_left_out_is_stated(tmp_path):
    recipe = small_recipe(results={"nms": "weighted", "flip_tta": True})
    run = make_run(tmp_path / "run", recipe)
    messages = []
    options = {"contract": "detections", "skip_timing": True, "on_message": messages.append}
    result = singleshot.export(run, "onnx", output=tmp_path / "model", **options)
    assert any("model.results.flip_tta is not exported" in line for line in messages)
    assert any("model.results.nms = 'weighted' is not exported" in line for line in messages)
    assert result.manifest.postprocessing.nms == "hard"


def test_images_that_are_not_whole_numbers_are_taken_as_floats(tmp_path):
    run = make_run(tmp_path / "run", small_recipe(resize="torchvision"))
    folder = tmp_path / "model"
    result = singleshot.export(run, "onnx", output=folder, skip_timing=True)
    assert result.manifest.input.dtype == "float32"
    assert result.manifest.input.layout == "NCHW"


def test_a_kind_without_priors_is_refused(tmp_path):
    recipe = load_recipe("localizer")
    detector = build_detector(recipe.model, ("a",), pretrained=False)
    with pytest.raises(ModelError, match=r"of kind 'localizer' cannot be exported.*'ssd' can"):
        singleshot.export(detector, "onnx", output=tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="a model of type NoneType; expected a run folder"):
        singleshot.export(None, "onnx", output=tmp_path / "model")


def test_outputs_that_are_not_finite_are_refused(run, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "singleshot.runtimes.exported.ExportedDetector.infer",
        lambda self, _: {one.name: np.full(one.shape, np.nan) for one in self.manifest.outputs},
    )
    with pytest.raises(RunFailed, match=r"boxes of the exported model \(onnx, float32\) are NaN"):
        singleshot.export(run, "onnx", output=tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing(run, tmp_path, monkeypatch):
    def fail(*_):
        raise ModelError("the disk is on fire")

    monkeypatch.setattr("singleshot.exporting.export.measure_parity", fail)
    with pytest.raises(ModelError, match="on fire"):
        singleshot.export(run, "onnx", output=tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_detections_without_a_file_are_exported(tmp_path):
    detector = small_ssd()
    detector.settings = small_recipe().model
    result = singleshot.export(detector, "onnx", output=tmp_path / "model")
    assert result.manifest.parity["latency_ms"] is None
    assert result.manifest.detector.checkpoint == ""
