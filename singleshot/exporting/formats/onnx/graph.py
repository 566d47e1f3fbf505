"""The part of an ONNX model that may be quantised: what convolutions compute, and nothing after.

Softmax, decoding and NMS follow the last convolutions and stay in floating point, each output of
the network with a scale of its own. The normalisation of pixels comes before the first one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["name_convolutions", "network_nodes", "quantizable_nodes"]

CONVOLUTION = "Conv"
# An L2 norm, and what else computes with single numbers, stays in floating point.
QUANTIZABLE = frozenset((CONVOLUTION, "Add", "Clip", "Relu", "MaxPool", "Resize"))


def name_convolutions(model: ModelProto) -> None:
    """Name convolutions after their layers in the PyTorch network; other formats keep the names.

    The exporter names weights after parameters, "network.backbone.stem.weight". A layer that runs
    several times keeps the exporter's names but for the first time.
    """
    known: set[str] = set()
    for node in model.graph.node:
        if node.op_type == CONVOLUTION:
            layer = node.input[1].removesuffix(".weight").removeprefix("network.")
            if layer not in known:
                node.name = layer
            known.add(layer)


def network_nodes(model: ModelProto) -> list[NodeProto]:
    """List the nodes from the first convolutions to the last, which no other one follows."""
    nodes = list(model.graph.node)
    before = _find_reached(nodes, forward=False)
    after = _find_reached(nodes, forward=True)
    return [
        node
        for node in nodes
        if node.op_type == CONVOLUTION or (node.name in before and node.name in after)
    ]


def quantizable_nodes(model: ModelProto, float_layers: Collection[str]) -> Iterator[NodeProto]:
    """Yield the nodes to quantise; convolutions of these layers stay in floating point."""
    constants = {one.name for one in model.graph.initializer}
    for node in network_nodes(model):
        # An addition of a number belongs to a norm, one of two feature maps to a residual.
        is_shift = node.op_type == "Add" and bool(constants & {*node.input})
        if node.op_type not in QUANTIZABLE or is_shift:
            continue
        if node.name not in float_layers:
            yield node


def _find_reached(nodes: list[NodeProto], *, forward: bool) -> frozenset[str]:
    """Name the nodes that a convolution comes before (`forward`), or after."""
    ordered = nodes if forward else reversed(nodes)
    tensors: set[str] = set()
    found = set()
    for node in ordered:
        sources, targets = (node.input, node.output) if forward else (node.output, node.input)
        is_reached = not tensors.isdisjoint(sources)
        if is_reached:
            found.add(node.name)
        if is_reached or node.op_type == CONVOLUTION:
            tensors.update(targets)
    return frozenset(found)
