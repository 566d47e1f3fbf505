"""Int8 in ONNX: QuantizeLinear and DequantizeLinear around the convolutions, by onnxruntime.

Weights are signed 8 bits, symmetric, with a scale for each output channel; feature maps unsigned 8
bits. In onnxruntime on a processor with VNNI that takes 0.4 of the time of float32; signed feature
maps save nothing there. TensorRT needs them, symmetric (`--target jetson`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from singleshot.exporting.formats.format import Int8Support, ModelFiles, QuantizationJob
from singleshot.exporting.formats.onnx.graph import quantizable_nodes
from singleshot.exporting.quantization.settings import Calibration, ladder_of

if TYPE_CHECKING:
    from onnx import ModelProto


__all__ = ["INT8", "quantize_onnx"]

SYMMETRIC_TARGETS = ("jetson",)
NUM_SAMPLES = 4000  # of a feature map in an image, for percentiles
OUTERMOST = 0.001  # per cent of a feature map, at each end

Range = tuple[float, float]


def quantize_onnx(request: QuantizationJob) -> ModelFiles:
    """Write the model with the same name in the folder of the job."""
    import onnx

    name, setting = request.files.names[0], request.setting
    model = onnx.load(str(request.source / name))
    _import_opsets_once(model)
    nodes = list(quantizable_nodes(model, setting.float_layers))
    tensors = list(dict.fromkeys(one for node in nodes for one in (*node.input, *node.output)))
    ranges = find_ranges(model, tensors, request.batches(), setting.calibration)
    quantized = insert_quantization(
        model,
        [node.name for node in nodes],
        ranges,
        per_channel=setting.per_channel,
        symmetric=request.job.target in SYMMETRIC_TARGETS,
    )
    onnx.save(quantized, str(request.job.folder / name))
    return request.files


def _import_opsets_once(model: ModelProto) -> None:
    """Drop the opset that a model joined of two imports twice; onnxruntime does not know which."""
    versions = {one.domain: one.version for one in model.opset_import}
    del model.opset_import[:]
    for domain, version in versions.items():
        model.opset_import.add(domain=domain, version=version)


def insert_quantization(
    model: ModelProto,
    nodes: Sequence[str],
    ranges: Mapping[str, Range],
    *,
    per_channel: bool,
    symmetric: bool,
) -> ModelProto:
    """Quantise these nodes with the given ranges of their inputs and outputs."""
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantType,
    )
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    numbers = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges.items()
    }
    quantizer = QDQQuantizer(
        model,
        per_channel=per_channel,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8 if symmetric else QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, numbers),
        nodes_to_quantize=list(nodes),
        nodes_to_exclude=[],
        op_types_to_quantize=sorted({one.op_type for one in model.graph.node if one.name in nodes}),
        extra_options={"ActivationSymmetric": symmetric},
    )
    with warnings.catch_warnings():
        # Of NumPy, for channels whose weights are all zero.
        warnings.simplefilter("ignore", RuntimeWarning)
        quantizer.quantize_model()
    quantized: ModelProto = quantizer.model.model
    return quantized


def find_ranges(
    model: ModelProto,
    tensors: Sequence[str],
    batches: Iterator[np.ndarray],
    calibration: Calibration,
) -> dict[str, Range]:
    """Run the model on calibration images, and find the range of each of its feature maps."""
    observed: dict[str, _Observed] = {}
    for values in _feature_maps(model, tensors, batches):
        for name, array in values.items():
            observed.setdefault(name, _Observed()).add(array)
    return {name: one.range(calibration) for name, one in observed.items()}


def _feature_maps(
    model: ModelProto, tensors: Sequence[str], batches: Iterator[np.ndarray]
) -> Iterator[Mapping[str, np.ndarray]]:
    """Yield the feature maps of each batch, of those that are computed in floating point."""
    import onnx
    import onnxruntime

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    computed = {name for node in model.graph.node for name in node.output}
    del watched.graph.output[:]
    watched.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name) for name in tensors if name in computed
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Fusion would leave out what is to be watched.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (images,) = session.get_inputs()
    names = [one.name for one in session.get_outputs()]
    for batch in batches:
        values = dict(zip(names, session.run(None, {images.name: batch}), strict=True))
        # Without normalisation in the model, its input is quantised as well.
        values[images.name] = batch
        yield {name: array for name, array in values.items() if array.dtype == np.float32}


@dataclass
class _Observed:
    """Extremes and samples of a feature map in the images so far."""

    lows: list[float] = field(default_factory=list)
    highs: list[float] = field(default_factory=list)
    samples: list[np.ndarray] = field(default_factory=list)

    def add(self, values: np.ndarray) -> None:
        """Record the extremes of an image, and some of its values."""
        self.lows.append(float(values.min()))
        self.highs.append(float(values.max()))
        flat = values.reshape(-1)
        # Another phase for each image: a stride may be a multiple of the width.
        stride = max(1, flat.size // NUM_SAMPLES)
        self.samples.append(flat[len(self.lows) % stride :: stride].copy())

    def range(self, calibration: Calibration) -> Range:
        """Return the range to quantise; 0 is within it."""
        if calibration == "mean":
            low, high = float(np.mean(self.lows)), float(np.mean(self.highs))
        elif calibration == "percentile":
            ends = np.percentile(np.concatenate(self.samples), [OUTERMOST, 100 - OUTERMOST])
            low, high = (float(end) for end in ends)
        else:
            low, high = min(self.lows), max(self.highs)
        return min(low, 0.0), max(high, 0.0)


INT8 = Int8Support(quantize_onnx, ladder_of("minmax", "percentile", "mean"))
