"""NMS within a LiteRT model: the custom operator TFLite_Detection_PostProcess.

Its four outputs are those that Android's and Coral's object detectors expect: boxes (1, k, 4) as
y1, x1, y2, x2 in fractions of the image, labels (1, k), scores (1, k), and their number (1).
LiteRT contains the operator (`detection_postprocess.cc`); microcontrollers' runtime does, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

if TYPE_CHECKING:
    from torch import nn

    from singleshot.detectors.common.exportable import Exportable
    from singleshot.exporting.contracts import ContractNetwork

__all__ = ["NMS_INPUTS", "OUTPUTS", "append_nms", "detach_nms", "nms_inputs"]

OPERATOR = b"TFLite_Detection_PostProcess"
NMS_INPUTS = ("all_offsets", "all_scores")
OUTPUTS = ("boxes", "labels", "scores", "count")
# The operator takes all boxes of a class, not its best `top_k`: in crowds those of one
# class would push out all others (AP .3055 instead of .3100 on 50 COCO images).
MOST_OF_A_CLASS = 40
# From (x, y, w, h) to the operator's (y, x, h, w), which is its own inverse.
ROW_FIRST = (1, 0, 3, 2)


def nms_inputs(network: ContractNetwork) -> nn.Module:
    """Make a module with the operator's inputs: offsets (1, priors, 4) as y, x, h, w; scores."""
    import torch
    from torch import Tensor, nn

    class NmsInputs(nn.Module):
        """The outputs of the network that NMS continues from."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            """Join the levels."""
            offsets, scores = self.network.joined(images)
            x, y, w, h = torch.split(offsets, 1, dim=-1)
            return torch.cat([y, x, h, w], dim=-1), scores

    return NmsInputs().eval()


def append_nms(model: Any, exportable: Exportable) -> None:
    """Append the operator to a model whose outputs are offsets and scores."""
    from ai_edge_litert import schema_py_generated as schema

    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    priors = exportable.priors_cxcywh_unit.numpy()[:, ROW_FIRST]
    inputs = [
        *(_in_float(model, index) for index in graph.outputs),
        _add_tensor(model, "priors", priors.shape, priors),
    ]
    keep = exportable.postprocessing.keep
    shapes = ((1, keep, 4), (1, keep), (1, keep), (1,))
    outputs = [_add_tensor(model, name, shape) for name, shape in zip(OUTPUTS, shapes, strict=True)]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode, code.version = OPERATOR, 1
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes)
    operator.inputs, operator.outputs = inputs, outputs
    operator.customOptions = np.frombuffer(_options(exportable), np.uint8)
    operator.customOptionsFormat = schema.CustomOptionsFormat.FLEXBUFFERS
    model.operatorCodes.append(code)
    graph.operators.append(operator)
    graph.outputs = outputs
    signature.outputs = [_signature_entry(graph, index) for index in outputs]


def detach_nms(model: Any) -> None:
    """Undo `append_nms` of a model in float32: the outputs are offsets and scores."""
    graph = model.subgraphs[0]
    operator = graph.operators.pop()
    code = model.operatorCodes.pop()
    assert code.customCode == OPERATOR
    graph.outputs = list(operator.inputs[:-1])
    # The priors and the outputs; a tensor that nothing computes cannot be calibrated.
    del graph.tensors[-1 - len(OUTPUTS) :], model.buffers[-1]
    model.signatureDefs[0].outputs = [_signature_entry(graph, index) for index in graph.outputs]


def _options(exportable: Exportable) -> bytes:
    """Write the operator's options as it reads them (`detection_postprocess.cc`)."""
    from flatbuffers import flexbuffers

    chosen = exportable.postprocessing
    of_centre, of_size = exportable.offset_scales
    builder = flexbuffers.Builder()
    with builder.Map():
        builder.Int("max_detections", chosen.keep)
        builder.Int("max_classes_per_detection", 1)
        builder.Int("detections_per_class", min(chosen.top_k, MOST_OF_A_CLASS))
        # Each class by itself; otherwise a box keeps its best class alone.
        builder.Bool("use_regular_nms", True)
        builder.Float("nms_score_threshold", chosen.score_threshold)
        builder.Float("nms_iou_threshold", chosen.iou_threshold)
        builder.Int("num_classes", len(exportable.class_names))
        # It divides offsets by these.
        builder.Float("y_scale", 1 / of_centre)
        builder.Float("x_scale", 1 / of_centre)
        builder.Float("h_scale", 1 / of_size)
        builder.Float("w_scale", 1 / of_size)
    return bytes(builder.Finish())


def _in_float(model: Any, index: SupportsIndex) -> int:
    """Return the tensor in float32, dequantised where it is int8: the operator takes no int8."""
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    tensor = graph.tensors[index]
    if tensor.type == schema.TensorType.FLOAT32:
        return int(index)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 2  # the first one of int8
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes)
    name = tensor.name.decode()
    tensor.name = f"{name}_int8".encode()
    operator.inputs = [index]
    operator.outputs = [_add_tensor(model, name, tuple(tensor.shape))]
    model.operatorCodes.append(code)
    graph.operators.append(operator)
    return int(operator.outputs[0])


def _add_tensor(
    model: Any, name: str, shape: tuple[int, ...], values: np.ndarray | None = None
) -> int:
    """Add a tensor of float32, and return its index; with values it is a constant."""
    from ai_edge_litert import schema_py_generated as schema

    tensor = schema.TensorT()
    tensor.name, tensor.type = name.encode(), schema.TensorType.FLOAT32
    tensor.shape, tensor.hasRank = np.array(shape, np.int32), True
    if values is None:
        tensor.buffer = 0  # by convention the empty one
    else:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.astype("<f4").tobytes(), np.uint8)
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    graph = model.subgraphs[0]
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _signature_entry(graph: Any, index: SupportsIndex) -> Any:
    """Make an entry of the signature for an output."""
    from ai_edge_litert import schema_py_generated as schema

    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = graph.tensors[index].name, index
    return entry
