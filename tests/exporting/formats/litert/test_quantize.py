import numpy as np
import pytest

pytest.importorskip("ai_edge_quantizer")
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from small_litert import (
    calibration_batches,
    copy_of_litert_model,
    load_litert,
    quantization_job,
)
from small_ssd import make_images

from singleshot.exporting.formats.litert.flatbuffer import float_constant, read_model, write_model
from singleshot.exporting.formats.litert.quantize import quantize_litert, quantize_model_file
from singleshot.runtimes.exported import ExportedDetector
from singleshot.runtimes.standalone.detect import open_engine

LARGE = 1024  # bytes of a tensor that ai-edge-quantizer leaves behind the FlatBuffer


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    file = folder / "int8.tflite"
    quantize_model_file(copy_of_litert_model(folder), calibration_batches(), file)
    return file


def run_reference(file, image):
    """Run LiteRT's reference kernels; returns the input and outputs in whole numbers."""
    interpreter = Interpreter(
        str(file), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    (taken,) = interpreter.get_input_details()
    scale, zero_point = taken["quantization"]
    whole = np.clip(np.rint(image / scale) + zero_point, -128, 127).astype(np.int8)
    interpreter.set_tensor(taken["index"], whole)
    interpreter.invoke()
    outputs = {}
    for one in interpreter.get_output_details():
        scale, zero_point = one["quantization"]
        found = interpreter.get_tensor(one["index"])
        assert found.dtype == np.int8
        outputs[one["name"]] = (found, (found.astype(np.float32) - zero_point) * scale)
    return whole, outputs


def test_outputs_are_close_to_those_in_float(quantized):
    detector = load_litert()
    image = calibration_batches()[-1]
    expected = detector.infer(image)
    _, outputs = run_reference(quantized, image)
    assert list(outputs) == list(expected)
    for name, (_, values) in outputs.items():
        error = np.sqrt(np.mean((values - expected[name]) ** 2) / np.mean(expected[name] ** 2))
        assert error < 0.05, name


def test_microcontrollers_compute_what_litert_does(quantized):
    """With large tensors behind the FlatBuffer TFLite-Micro computes with zeros."""
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    assert (
        max(len(one.data) for one in read_model(quantized).buffers if one.data is not None) > LARGE
    )
    interpreter = runtime.Interpreter.from_file(str(quantized), arena_size=1 << 22)
    for image in calibration_batches():
        whole, outputs = run_reference(quantized, image)
        interpreter.set_input(whole, 0)
        interpreter.invoke()
        for index, (expected, _) in enumerate(outputs.values()):
            found = interpreter.get_output(index).astype(int)
            assert np.abs(found - expected).max() <= 1
            assert expected.std() > 5


def test_all_weights_are_inside_the_flatbuffer(quantized):
    model = schema.Model.GetRootAsModel(quantized.read_bytes(), 0)
    assert not any(model.Buffers(index).Offset() for index in range(model.BuffersLength()))


def test_biases_of_channels_without_weights_are_kept(tmp_path):
    """Steps of 1e-9 would make a bias of 0.75 negative: 2,147,483,648 is no int32."""
    file = copy_of_litert_model(tmp_path)
    model = read_model(file)
    conv = model.subgraphs[0].operators[2]
    weights, bias = (float_constant(model, index).copy() for index in conv.inputs[1:])
    weights[0], bias[0] = 1e-8, 0.75
    for index, values in zip(conv.inputs[1:], (weights, bias), strict=True):
        tensor = model.subgraphs[0].tensors[index]
        model.buffers[tensor.buffer].data = values.reshape(-1).view(np.uint8)
    write_model(model, file)
    quantize_model_file(file, calibration_batches(), tmp_path / "int8.tflite")
    quantized = read_model(tmp_path / "int8.tflite")
    tensor = quantized.subgraphs[0].tensors[quantized.subgraphs[0].operators[2].inputs[2]]
    whole = quantized.buffers[tensor.buffer].data.view(np.int32)
    assert whole[0] * tensor.quantization.scale[0] == pytest.approx(0.75, rel=1e-4)
    assert whole[0] <= 2**30


def test_steps_of_input_and_outputs_are_described(tmp_path):
    files = quantize_litert(quantization_job(tmp_path))
    assert files.precision == files.input.dtype == "int8"
    detector = load_litert()
    described = detector.manifest.model_copy(
        update={"precision": "int8", "input": files.input, "outputs": files.outputs}
    )
    engine = open_engine(tmp_path / files.names[0], described.to_json(), 1)
    quantized = ExportedDetector(described, engine)
    images = make_images(3)
    for image in images:
        expected = detector.infer(detector.preprocess([image]))
        outputs = quantized.infer(quantized.preprocess([image]))
        for one in files.outputs:
            assert one.quantization is not None
            error = np.abs(outputs[one.name] - expected[one.name]).max()
            assert error < 12 * one.quantization.scale
