"""Detectors trained with `--quantize`, exported: runtimes compute what PyTorch rounds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cells import COLOURS, make_cells
from small import TINY

from singleshot.detectors.common.fake_quantization import observing_ranges
from singleshot.detectors.common.quantization import is_quantized
from singleshot.errors import SingleshotError
from singleshot.exporting.export import export
from singleshot.exporting.formats import litert, ncnn, onnx, openvino
from singleshot.exporting.learned_int8 import prepare_learned_int8
from singleshot.exporting.options import ExportOptions
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.runtimes.standalone.detect import open_engine

ONE_STEP = 1.01  # half to even is decided after other roundings of floating point


@pytest.fixture(scope="module")
def detector():
    """A small SSDLite with random weights, and ranges from random images."""
    levels = {
        "model.backbone": TINY,
        "model.input": [96, 96],
        "model.priors.sizes_unit": [0.1, 0.3, 0.5, 0.7, 1],
        "model.priors.aspect_ratios": [[2]] * 4,
        "model.quantization.weights": "per-channel",
    }
    torch.manual_seed(0)
    recipe = load_recipe("ssdlite320-lite0", levels)
    detector = build_detector(recipe.model, list(COLOURS), pretrained=False)
    for name, parameter in detector.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    with observing_ranges(detector), torch.no_grad():
        detector(torch.randint(256, (4, 3, 96, 96), dtype=torch.uint8))
    return detector


@pytest.fixture(scope="module")
def exported(detector, tmp_path_factory):
    """The folder with its ONNX model."""
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("exports") / "onnx"
    cells = make_cells(tmp_path_factory.mktemp("data") / "cells")
    # Not calibrated, but compared on them.
    options = {"int8": True, "calibrate": cells, "skip_timing": True}
    return export(detector, to="onnx", contract="raw", output=folder, pixels="float32", **options)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_outputs_are_those_of_pytorch_within_one_step(detector, exported, runtime, tmp_path):
    pytest.importorskip(runtime)
    file, manifest = exported.folder / "model.onnx", exported.manifest.to_json()
    assert manifest["precision"] == "int8"
    assert not manifest["quantization"]
    if runtime == "openvino":
        file = convert_to_openvino(file, tmp_path / "model.xml")
        manifest["format"] = "openvino"
    image = torch.randint(256, (1, 3, 96, 96), generator=torch.Generator().manual_seed(1)).float()
    engine = open_engine(file, manifest, 1)
    found = engine.run(image.numpy())
    heads = detector.heads
    with torch.no_grad():
        features = detector.pyramid(detector.backbone(detector.normalise(image)))
        expected = [one for kind in heads.level_outputs(features) for one in kind]
    names = [one.name for one in exported.manifest.outputs]
    steps = [
        layer.output_quantizer.scale_and_zero_point()[0].item()
        for kind in (heads.offsets, heads.logits)
        for layer in (head[-1] for head in kind)
    ]
    for name, ours, step in zip(names, expected, steps, strict=True):
        error = np.abs(found[name] - ours.numpy()) / step
        assert error.max() <= ONE_STEP, name
        assert (error > 0.01).mean() < 0.02, name
        assert ours.std() > step


def convert_to_openvino(file, path):
    """As the format does it."""
    import openvino

    openvino.save_model(openvino.convert_model(str(file)), str(path), compress_to_fp16=False)
    return path


def test_the_file_holds_int8_weights_and_no_rounding_of_constants(exported):
    onnx_ = pytest.importorskip("onnx")
    graph = onnx_.load(exported.folder / "model.onnx").graph
    stored = {one.name: one for one in graph.initializer}
    readers = {node.output[0]: node for node in graph.node}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    weights = [stored[readers[node.input[1]].input[0]] for node in convolutions]
    assert {weight.data_type for weight in weights} == {onnx_.TensorProto.INT8}
    rounded = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    assert not [node for node in rounded if node.input[0] in stored]
    used = {name for node in graph.node for name in node.input}
    assert set(stored) <= used


@pytest.mark.parametrize(
    ("form", "message"), [(litert, "--calibrate"), (ncnn, "computes in floating point")]
)
def test_formats_without_ranges_get_rounded_weights(detector, form, message):
    messages = []
    options = ExportOptions(to=form.FORMAT.name, on_message=messages.append)
    exportable = detector.exportable()
    assert not prepare_learned_int8(exportable.network, form.FORMAT, options)
    assert not is_quantized(exportable.network)
    assert message in messages[0]
    assert is_quantized(detector)


def test_half_precision_is_refused(detector):
    options = ExportOptions(to="openvino", half=True)
    with pytest.raises(SingleshotError, match="leave --half out"):
        prepare_learned_int8(detector.exportable().network, openvino.FORMAT, options)


def test_a_float_detector_stays_as_it_is(detector):
    settings = detector.settings.model_copy(update={"quantization": None})
    plain = build_detector(settings, ["one"], pretrained=False).exportable()
    before = replace(plain).network.state_dict()
    assert not prepare_learned_int8(plain.network, onnx.FORMAT, ExportOptions(to="onnx"))
    assert plain.network.state_dict().keys() == before.keys()
