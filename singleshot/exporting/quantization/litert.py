"""Int8 for LiteRT, by ai-edge-quantizer: weights per channel, activations by their range.

The convolutions are int8, and so are the image and raw outputs. What decodes boxes stays float32:
with 256 values a corner would have steps of a pixel.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from singleshot.exporting.formats.litert.flatbuffer import (
    float_constant,
    operator_names,
    read_model,
    write_model,
)
from singleshot.runtimes.manifest import Quantization

__all__ = ["quantization_of", "quantize_litert", "refit_biases"]

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
DECODING = "decoding_"  # begins the names of tensors that stay float32
INT8 = "images|tensor_.*|offsets_.*|logits_.*"
# Biases are int32; half of the range is left for the sum of the products.
LARGEST_BIAS = 2**30


def quantize_litert(
    float_file: Path, batches: Iterable[Float32[np.ndarray, "b h w 3"]], file: Path
) -> None:
    """Quantise a LiteRT model in float32; ranges are those of these batches of its input."""
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
    signature = model.signatureDefs[0]
    key, name = signature.signatureKey.decode(), signature.inputs[0].name.decode()
    # It prints sizes on stdout, where results belong, and bars of progress.
    silent = io.StringIO()
    with redirect_stdout(silent), redirect_stderr(silent), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
        # Of biases beyond int32; `refit_biases` writes them again.
        warnings.filterwarnings("ignore", message="invalid value encountered in cast")
        worker = quantizer.Quantizer(str(float_file), recipe.get_quantization_recipe())
        samples = [{name: batch} for batch in batches]  # it goes over them twice
        ranges = worker.calibrate({key: samples})
        worker.quantize(ranges).export_model(str(file), overwrite=True)
    quantized = read_model(file)
    refit_biases(quantized, model)
    write_model(quantized, file)


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
