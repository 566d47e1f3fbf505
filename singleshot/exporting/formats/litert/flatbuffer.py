"""LiteRT's model files (.tflite): FlatBuffers, read whole, changed and written again.

Weights are written inside the FlatBuffer, aligned to 16 bytes. ai-edge-quantizer leaves those of
1 KiB and more behind its end (`Buffer.offset`), where LiteRT finds them; TensorFlow Lite for
Microcontrollers knows no such place, takes the tensors for empty, and computes with zeros. Arm's
and other vendors' tools for microcontrollers read weights inside as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

from singleshot.errors import ModelError

__all__ = [
    "float_constant",
    "operator_names",
    "read_model",
    "rename_tensors",
    "write_model",
]

ALIGNMENT = 16  # bytes; `force_align` of the schema, which its Python classes ignore
IDENTIFIER = b"TFL3"
_SIGNATURE_OUTPUT = re.compile(rb"output_(\d+)")


def read_model(path: Path) -> Any:
    """Read a model as the tree of objects of LiteRT's schema (`ModelT`).

    Raises ModelError for another file and for one that is cut short.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    if content[4:8] != IDENTIFIER:
        raise ModelError(f"{path}: not a LiteRT model; export it again")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    for buffer in model.buffers:
        # 0 and 1 stand for "inside".
        if buffer.offset > 1:
            if buffer.offset + buffer.size > len(content):
                raise ModelError(f"{path}: cut short at {len(content):,} bytes; export it again")
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    return model


def write_model(model: Any, path: Path) -> None:
    """Write a model with all weights inside, each aligned to 16 bytes."""
    import flatbuffers

    model.buffers = [_aligned(buffer.data) for buffer in model.buffers]
    num_bytes = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    builder = flatbuffers.Builder(num_bytes + (1 << 20))
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    path.write_bytes(bytes(builder.Output()))


def _aligned(data: Any) -> Any:
    """Make a buffer that is written aligned."""
    from ai_edge_litert import schema_py_generated as schema

    class AlignedBuffer(schema.BufferT):  # type: ignore[misc] # its package has no types
        """A buffer whose bytes begin at a multiple of `ALIGNMENT`."""

        def Pack(self, builder: Any) -> Any:  # noqa: N802 (of the generated classes)
            """Write the bytes, then the table that points to them."""
            place = None if self.data is None else _write_bytes(builder, self.data)
            schema.BufferStart(builder)
            if place is not None:
                schema.BufferAddData(builder, place)
            return schema.BufferEnd(builder)

    buffer = AlignedBuffer()
    buffer.data = None if data is None else np.asarray(data, np.uint8)
    return buffer


def _write_bytes(builder: Any, data: np.ndarray) -> Any:
    """Write a vector of bytes, aligned."""
    builder.StartVector(1, len(data), ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data.tobytes()
    return builder.EndVector()


def rename_tensors(model: Any, input_name: str, output_names: Sequence[str]) -> None:
    """Name the input and the outputs, in the order that the network has them; shorten the rest.

    The converter names tensors after its own classes, in up to 100 bytes each.
    """
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    for index, tensor in enumerate(graph.tensors):
        tensor.name = f"tensor_{index}".encode()
    _rename(graph, signature.inputs[0], input_name)
    for one in signature.outputs:
        match = _SIGNATURE_OUTPUT.fullmatch(one.name)
        assert match is not None, one.name
        _rename(graph, one, output_names[int(match[1])])
    order = {name.encode(): index for index, name in enumerate(output_names)}
    graph.outputs = sorted(graph.outputs, key=lambda index: order[graph.tensors[index].name])


def _rename(graph: Any, entry: Any, name: str) -> None:
    """Rename a tensor of the signature."""
    entry.name = graph.tensors[entry.tensorIndex].name = name.encode()


def float_constant(model: Any, index: SupportsIndex) -> np.ndarray | None:
    """Return the float32 values of a tensor; None where it is computed, or of another type."""
    tensor = model.subgraphs[0].tensors[index]
    data = model.buffers[tensor.buffer].data
    if data is None or tensor.type != 0:
        return None
    values: np.ndarray = np.asarray(data, np.uint8).view(np.float32).reshape(tensor.shape)
    return values


def operator_names(model: Any) -> list[str]:
    """Name the operators of a model, one by one, as LiteRT's schema does."""
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    return [codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators]
