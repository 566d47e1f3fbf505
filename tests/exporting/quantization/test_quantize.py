"""Int8 from a run to a folder, by onnxruntime and by NNCF."""

# Tests singleshot/exporting/formats/onnx/quantize.py
# Tests singleshot/exporting/formats/openvino/quantize.py

import json
from dataclasses import replace

import numpy as np
import pytest
from cells import COLOURS, make_cells
from command_line import singleshot
from small_ssd import make_run, unchecked_shapes

from singleshot.exporting.contracts import contract_network
from singleshot.exporting.export import exportable_of
from singleshot.exporting.formats import find_format_named
from singleshot.exporting.formats.format import ExportJob, QuantizationJob
from singleshot.exporting.quantization.bias_correction import convolutions_of
from singleshot.exporting.quantization.settings import QuantizationSetting
from singleshot.models.opening import load_trainable
from singleshot.runtimes.standalone.detect import open_engine

pytest.importorskip("onnxscript")

EXPORT = ("--skip-timing", "--int8")
FORMATS = ("onnx", "openvino")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    make_cells(folder / "cells")
    make_run(folder / "run", classes=tuple(COLOURS))
    return folder


def export(home, to, *words):
    if to == "openvino":
        pytest.importorskip("nncf")
    return singleshot(
        *("export", str(home / "run"), "--to", to, *EXPORT),
        *("--calibrate", str(home / "cells"), *words),
    )


@pytest.fixture(scope="module", params=FORMATS)
def exported(request, home):
    output = home / request.param
    done = export(home, request.param, "--output", str(output))
    assert done.exit_code == 0, done.stderr
    return output, done


def test_a_setting_passes_and_is_recorded(exported):
    folder, done = exported
    assert "biases corrected: AP" in done.stderr
    manifest = json.loads((folder / "model.json").read_text())
    assert manifest["precision"] == "int8"
    trials = manifest["quantization"]["trials"]
    assert [trial["passes"] for trial in trials] == [True]
    assert 0 < trials[0]["offsets_error"] < 0.12
    readme = (folder / "README.md").read_text()
    assert "6 images to calibrate on (VOC layout, split train" in readme
    assert f"| {trials[0]['setting']} | {trials[0]['average_precision']:.4f} |" in readme


def test_convolutions_are_int8_and_what_follows_them_is_not(exported):
    folder, _ = exported
    if folder.name != "onnx":
        pytest.skip("an ONNX graph is read here")
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(str(folder / "model.onnx")).graph
    makers = {name: node.op_type for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) > 10
    for node in convolutions:
        assert [makers[name] for name in node.input] == ["DequantizeLinear"] * 3
    # Each head has a scale of its own: levels are joined in floating point.
    joints = [node for node in graph.node if node.op_type == "Concat"]
    assert joints
    for node in graph.node:
        if node.op_type in {"Concat", "Softmax", "Exp"}:
            assert not any(makers.get(name) == "QuantizeLinear" for name in node.input)
    following = {
        node.op_type
        for node in graph.node
        if any(makers.get(name) == "QuantizeLinear" for name in node.input)
    }
    assert following == {"DequantizeLinear"}


@pytest.mark.parametrize("to", FORMATS)
def test_single_layers_stay_in_float(home, to, tmp_path):
    """The error falls, and falls to nothing where all layers stay."""
    if to == "openvino":
        pytest.importorskip("nncf")
    exportable = exportable_of(load_trainable(home / "run", "cpu"))
    network = contract_network(exportable, "raw", "uint8")
    job = ExportJob(network, 1, "float32", None, tmp_path, print)
    form = find_format_named(to)
    files = form.convert(job)
    images = np.random.default_rng(0).integers(0, 256, (4, 1, 64, 96, 3)).astype(np.uint8)
    layers = list(convolutions_of(exportable.network))
    errors = []
    for kept in ((), layers[:4], layers):
        folder = tmp_path / str(len(kept))
        folder.mkdir()
        setting = QuantizationSetting(float_layers=frozenset(kept))
        form.int8.quantize(
            QuantizationJob(
                tmp_path, files, replace(job, folder=folder), setting, lambda: iter(images)
            )
        )
        model = {"format": to, "precision": "int8", "outputs": []}
        pair = [open_engine(one / files.names[0], model, 1) for one in (folder, tmp_path)]
        outputs, expected = (engine.run(images[0]) for engine in pair)
        errors.append(max(np.abs(outputs[name] - expected[name]).max() for name in expected))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-5


@pytest.mark.parametrize("to", FORMATS)
def test_nothing_is_written_where_nothing_passes(home, to):
    output = home / f"refused-{to}"
    done = export(home, to, "--max-error", "1e-7", "--output", str(output))
    assert done.exit_code == 1
    assert not output.exists()
    assert "no setting passes" in done.stderr
    assert "in floating point" in done.stderr
    assert "--quantize" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--contract", "raw"),
        ("--contract", "detections"),
        ("--target", "jetson"),
        ("--batch", "0"),
    ],
    ids=lambda words: words[1],
)
def test_every_form_can_be_quantised(home, words):
    output = home / words[1]
    with unchecked_shapes():
        done = export(home, "onnx", *words, "--output", str(output))
    assert done.exit_code == 0, done.stderr
    found = singleshot("evaluate", str(output), str(home / "cells"), "--json")
    assert found.exit_code == 0, found.stderr
