"""Weights of a detector that was trained with the rounding of int8, as ONNX stores them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

__all__ = ["fold_rounded_weights"]


def fold_rounded_weights(model: onnx.ModelProto) -> None:
    """Store weights as the int8 numbers that they are rounded to, in place."""
    from onnx import numpy_helper

    graph = model.graph
    stored = {one.name: one for one in graph.initializer}
    for node in [one for one in graph.node if one.op_type == "QuantizeLinear"]:
        if any(name not in stored for name in node.input):
            continue
        weight, scale, zero = (numpy_helper.to_array(stored[name]) for name in node.input)
        if scale.ndim:
            scale, zero = (one.reshape(-1, *(1,) * (weight.ndim - 1)) for one in (scale, zero))
        limits = np.iinfo(zero.dtype)
        # Half to even, as the operator rounds.
        rounded = np.rint(weight / scale) + zero
        number = np.clip(rounded, limits.min, limits.max).astype(zero.dtype)
        graph.initializer.append(numpy_helper.from_array(number, node.output[0]))
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for name, tensor in stored.items():
        if name not in used:
            graph.initializer.remove(tensor)
