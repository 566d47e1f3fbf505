"""Int8 for LiteRT, by ai-edge-quantizer: weights per channel, activations by their range.

The convolutions are int8, and so are the image and raw outputs. What decodes boxes stays float32:
with 256 values a corner would have steps of a pixel.
"""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from singleshot.exporting.formats.format import ModelFiles, QuantizationJob
from singleshot.exporting.formats.litert.flatbuffer import (
    float_constant,
    operator_names,
    read_model,
    write_model,
)
from singleshot.exporting.formats.litert.postprocess import append_nms, detach_nms
from singleshot.exporting.quantization.settings import Calibration
from singleshot.runtimes.manifest import Quantization

__all__ = ["quantization_of", "quantize_litert", "quantize_model_file", "refit_biases"]

Range = dict[str, np.ndarray]  # "min" and "max"

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
DECODING = "decoding_"  # begins the names of tensors that stay float32
INT8 = "images|tensor_.*|offsets_.*|logits_.*"
# Biases are int32; half of the range is left for the sum of the products.
LARGEST_BIAS = 2**30


def quantize_litert(request: QuantizationJob) -> ModelFiles:
    """Write the model with the same name in the folder of the job."""
    name, network = request.files.names[0], request.job.network
    file = request.job.folder / name
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, name)
        model = read_model(request.source / name)
        has_nms = network.contract == "detections"
        if has_nms:
            detach_nms(model)
        write_model(model, source)
        quantize_model_file(source, request.batches(), file, request.setting.calibration)
    model = read_model(file)
    if has_nms:
        append_nms(model, network.exportable)
        write_model(model, file)
    return _describe(model, request.files)


def _describe(model: Any, files: ModelFiles) -> ModelFiles:
    """Add the steps of the input, and of outputs that are whole numbers."""
    tensors = {one.name.decode(): one for one in model.subgraphs[0].tensors}
    steps = quantization_of(tensors[files.input.name])
    outputs = [
        one.model_copy(update={"quantization": quantization_of(tensors[one.name])})
        if one.name in tensors
        else one
        for one in files.outputs
    ]
    taken = files.input.model_copy(update={"dtype": "int8", "quantization": steps})
    return replace(files, input=taken, outputs=tuple(outputs), precision="int8")


def quantize_model_file(
    float_file: Path,
    batches: Iterable[Float32[np.ndarray, "b h w 3"]],
    file: Path,
    calibration: Calibration = "minmax",
) -> None:
    """Quantise a LiteRT model in float32.

    Args:
        float_file: the model; its tensors get other names.
        batches: of its input; they give the ranges of activations.
        file: to be written.
        calibration: how the range of a tensor follows from those in the batches.
    """
    from ai_edge_quantizer import quantizer, recipe_manager
    from ai_edge_quantizer.qtyping import TFLOperationName

    model = read_model(float_file)
    _mark_decoding(model)
    write_model(model, float_file)
    recipe = recipe_manager.RecipeManager()
    recipe.add_static_config(
        regex=f"^({INT8})",
        operation_name=TFLOperationName.ALL_SUPPORTED,
        activation_num_bits=8,
        weight_num_bits=8,
    )
    with _quiet():
        ranges = find_tensor_ranges(float_file, recipe, batches, calibration)
        worker = quantizer.Quantizer(str(float_file), recipe.get_quantization_recipe())
        beside = float_file.with_suffix(".int8")
        worker.quantize(ranges).export_model(str(beside), overwrite=True)
    quantized = read_model(beside)
    refit_biases(quantized, model)
    write_model(quantized, file)


def find_tensor_ranges(
    file: Path,
    recipe: Any,
    batches: Iterable[Float32[np.ndarray, "b h w 3"]],
    calibration: Calibration,
) -> dict[str, Range]:
    """Find the range of each tensor that the recipe quantises, by its name.

    ai-edge-quantizer's own is a moving average, which depends on the order of the batches.
    """
    from ai_edge_quantizer import calibrator

    signature = read_model(file).signatureDefs[0]
    key, name = signature.signatureKey.decode(), signature.inputs[0].name.decode()
    found: dict[str, list[Range]] = {}
    worker = calibrator.Calibrator(str(file), num_threads=1)
    for batch in batches:
        worker.calibrate({key: [{name: batch}]}, recipe)
        for tensor, one in worker.get_model_qsvs().items():
            found.setdefault(tensor, []).append(one)
        worker.reset_model_qsvs()
    return {tensor: _join_ranges(ranges, calibration) for tensor, ranges in found.items()}


def _join_ranges(ranges: Sequence[Range], calibration: Calibration) -> Range:
    """Join the ranges of a tensor in several batches; {} for a tensor that has none."""
    known = [one for one in ranges if one]
    if not known:
        return {}
    least, greatest = (np.stack([one[end] for one in known]) for end in ("min", "max"))
    if calibration == "mean":
        return {"min": least.mean(axis=0), "max": greatest.mean(axis=0)}
    return {"min": least.min(axis=0), "max": greatest.max(axis=0)}


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence ai-edge-quantizer: sizes on stdout, bars of progress, and warnings."""
    silent = io.StringIO()
    with redirect_stdout(silent), redirect_stderr(silent), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
        # Of biases beyond int32; `refit_biases` writes them again.
        warnings.filterwarnings("ignore", message="invalid value encountered in cast")
        yield


def _mark_decoding(model: Any) -> None:
    """Name the tensors that are computed from joined levels, so that they stay float32."""
    graph = model.subgraphs[0]
    decoding: set[int] = set()
    for operator, name in zip(graph.operators, operator_names(model), strict=True):
        if name == "RESHAPE" or decoding.intersection(operator.inputs):
            decoding.update(operator.outputs)
    for index in decoding.difference(graph.outputs):
        graph.tensors[index].name = f"{DECODING}{index}".encode()


def refit_biases(quantized: Any, original: Any) -> None:
    """Widen the steps of channels whose bias does not fit into int32.

    A bias counts in steps of its channel's weights. Where weights are all but zero, as in channels
    that training has switched off, the steps are so small that the bias is cut off, or changes its
    sign, and the sum of the products overflows.
    """
    for operator, before in zip(_convolutions(quantized), _convolutions(original), strict=True):
        image, weights, bias = (quantized.subgraphs[0].tensors[index] for index in operator.inputs)
        values = float_constant(original, before.inputs[2])
        if values is not None and weights.quantization.scale is not None:
            _refit(quantized, image, weights, bias, values)


def _convolutions(model: Any) -> list[Any]:
    """Return the convolutions that have biases, in order."""
    operators = zip(model.subgraphs[0].operators, operator_names(model), strict=True)
    return [one for one, name in operators if name in CONVOLUTIONS and len(one.inputs) == 3]


def _refit(
    model: Any, image: Any, weights: Any, bias: Any, values: Float32[np.ndarray, " channels"]
) -> None:
    """Widen the steps of one convolution's channels where they must."""
    step_in = float(image.quantization.scale[0])
    steps = np.asarray(weights.quantization.scale, np.float64)
    least = np.abs(values.astype(np.float64)) / (step_in * LARGEST_BIAS)
    small = steps < least
    if not small.any():
        return
    wider = np.where(small, least, steps)
    axis = weights.quantization.quantizedDimension
    shape = [-1 if index == axis else 1 for index in range(len(weights.shape))]
    whole = np.asarray(model.buffers[weights.buffer].data, np.uint8).view(np.int8)
    whole = np.rint(whole.reshape(weights.shape) * (steps / wider).reshape(shape)).astype(np.int8)
    biases = np.asarray(model.buffers[bias.buffer].data, np.uint8).view(np.int32).copy()
    biases[small] = np.rint(values[small] / (step_in * wider[small])).astype(np.int32)
    model.buffers[weights.buffer].data = whole.reshape(-1).view(np.uint8)
    model.buffers[bias.buffer].data = biases.view(np.uint8)
    weights.quantization.scale = wider.astype(np.float32)
    bias.quantization.scale = (step_in * wider).astype(np.float32)


def quantization_of(tensor: Any) -> Quantization | None:
    """Describe the steps of an input or output; None where it is float32."""
    found = tensor.quantization
    if found is None or found.scale is None or not len(found.scale):
        return None
    return Quantization(scale=float(found.scale[0]), zero_point=int(found.zeroPoint[0]))
