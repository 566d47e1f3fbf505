"""Weights in int8: the same numbers that the operator gives."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from singleshot.exporting.formats.onnx.weights import fold_rounded_weights  # noqa: E402


@pytest.mark.parametrize("per_channel", [False, True])
def test_folding_changes_no_value(per_channel):
    weight = np.random.default_rng(0).normal(size=(4, 2, 3, 3)).astype(np.float32)
    axes = (1, 2, 3) if per_channel else None
    scale = np.asarray(np.abs(weight).max(axis=axes) / 127, np.float32)
    constants = {"weight": weight, "scale": scale, "zero": np.zeros_like(scale, np.int8)}
    axis = {"axis": 0} if per_channel else {}
    names = ["scale", "zero"]
    nodes = [
        helper.make_node("QuantizeLinear", ["weight", *names], ["rounded"], **axis),
        helper.make_node("DequantizeLinear", ["rounded", *names], ["result"], **axis),
    ]
    result = helper.make_tensor_value_info("result", onnx.TensorProto.FLOAT, weight.shape)
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "test", [], [result], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    (before,) = ReferenceEvaluator(model).run(None, {})
    fold_rounded_weights(model)
    onnx.checker.check_model(model)
    (after,) = ReferenceEvaluator(model).run(None, {})
    np.testing.assert_array_equal(before, after)
    assert [one.name for one in model.graph.initializer] == ["scale", "zero", "rounded"]
    assert np.abs(after - weight).max() <= scale.max() / 2 * 1.0001
