"""Convert a PyTorch program to a LiteRT model: run by itself, in the environment of litert-torch.

python converter.py PROGRAM.pt2 MODEL.tflite

`PROGRAM.pt2` is what `torch.export.save` wrote, with inputs (b, 3, h, w). The model takes
(b, h, w, 3), and its outputs (b, channels, rows, columns) are (b, rows, columns, channels).
"""

from __future__ import annotations

import sys
from typing import Any

import litert_torch
import torch
from torch import Tensor, nn

ATEN = torch.ops.aten
IMAGE_DIMENSIONS = 4


class Program(nn.Module):
    """A module that calls a graph; litert-torch takes modules only."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, images: Tensor) -> Any:
        """Run the graph."""
        return self.graph(images)


def fold_padding(graph: torch.fx.GraphModule) -> None:
    """Let convolutions pad by themselves where the padding is zeros and as wide on both sides.

    Left alone, a padding whose input has a second use stays in (b, channels, h, w): three
    transpositions on the device.
    """
    for node in graph.graph.nodes:
        if node.target is not ATEN.conv2d.default:
            continue
        padding = node.args[0]
        if padding.target is not ATEN.pad.default or not _is_even(padding):
            continue
        left, _, top, _ = padding.args[1]
        # input, weight, bias, stride, padding, dilation, groups
        given = [*node.args, *(None, None, None, [1, 1], [0, 0], [1, 1], 1)[len(node.args) :]]
        rows, columns = given[4]
        given[0], given[4] = padding.args[0], [rows + top, columns + left]
        node.args = tuple(given)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _is_even(padding: torch.fx.Node) -> bool:
    """Tell whether an image is padded with zeros, as wide on both sides."""
    arguments: tuple[Any, ...] = padding.args
    _, widths, *mode_and_value = arguments
    mode = mode_and_value[0] if mode_and_value else "constant"
    value = mode_and_value[1] if len(mode_and_value) > 1 else 0
    if len(widths) != IMAGE_DIMENSIONS or mode != "constant" or value:
        return False
    left, right, top, bottom = widths
    return bool(left == right and top == bottom)


def convert_program(program_path: str, model_path: str) -> None:
    """Convert one file into the other."""
    program = torch.export.load(program_path)
    assert program.example_inputs is not None
    (images,), _ = program.example_inputs
    graph = program.module()
    fold_padding(graph)
    with torch.no_grad():
        outputs = graph(images)
    maps = [index for index, one in enumerate(outputs) if one.dim() == IMAGE_DIMENSIONS]
    module = Program(graph)
    is_map = images.dim() == IMAGE_DIMENSIONS and images.shape[1] == 3
    if is_map or maps:
        module = litert_torch.to_channel_last_io(
            module, args=[0] if is_map else None, outputs=maps or None
        )
    example = images.permute(0, 2, 3, 1).contiguous() if is_map else images
    litert_torch.convert(module, (example,)).export(model_path)


if __name__ == "__main__":
    convert_program(*sys.argv[1:])
