"""Int8 for ExecuTorch, by PyTorch 2's export quantisation (PT2E): weights per channel.

XNNPACK's quantizer puts steps between a convolution and a ReLU6, whose range is then that of the
convolution: with ReLU6 taken for ReLU, which it knows, offsets of an SSDLite are wrong by .14
(relative RMS) instead of .24.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from singleshot.exporting.formats.executorch.convert import lower, quiet
from singleshot.exporting.formats.format import ModelFiles, QuantizationJob

__all__ = ["quantize_executorch", "quantize_network"]

ATEN = torch.ops.aten
RELU6 = (ATEN.hardtanh.default, ATEN.hardtanh_.default)
ANNOTATION = "quantization_annotation"


def quantize_executorch(request: QuantizationJob) -> ModelFiles:
    """Write the model with the same name in the folder of the job."""
    name, job = request.files.names[0], request.job
    example = job.network.example(job.batch)
    with quiet(), torch.no_grad():
        batches = (torch.from_numpy(batch) for batch in request.batches())
        quantized = quantize_network(job.network, example, batches)
        program = torch.export.export(quantized, (example,))
        (job.folder / name).write_bytes(lower(program))
    return replace(request.files, precision="int8")


def quantize_network(network: nn.Module, example: Tensor, batches: Iterable[Tensor]) -> nn.Module:
    """Quantise a network; ranges of activations are those of these batches."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    graph = torch.export.export(network, (example,)).module()
    prepared = prepare_pt2e(graph, _quantizer())
    with torch.no_grad():
        for batch in batches:
            prepared(batch)
    quantized: nn.Module = convert_pt2e(prepared)
    return quantized


def _quantizer() -> Any:
    """Build XNNPACK's quantizer with ranges from least to greatest."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.observer import MinMaxObserver

    class Quantizer(XNNPACKQuantizer):  # type: ignore[misc] # its package has no types
        """XNNPACK's, which also knows ReLU6 after a convolution, and padding."""

        def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
            with_relu = _relu6_as_relu(model)
            annotated: torch.fx.GraphModule = super().annotate(model)
            with_relu()
            _share_steps_of_padding(annotated)
            return annotated

    settings = get_symmetric_quantization_config(is_per_channel=True)
    observer = MinMaxObserver.with_args(eps=2**-12)
    steps = replace(settings.input_activation, observer_or_fake_quant_ctr=observer)
    return Quantizer().set_global(
        replace(settings, input_activation=steps, output_activation=steps)
    )


def _relu6_as_relu(model: torch.fx.GraphModule) -> Callable[[], None]:
    """Turn each ReLU6 into a ReLU, and return what turns them back."""
    nodes = [(node, node.target, node.args) for node in model.graph.nodes if node.target in RELU6]
    for node, _, (image, *_limits) in nodes:
        node.target, node.args = ATEN.relu.default, (image,)

    def undo() -> None:
        for node, target, arguments in nodes:
            node.target, node.args = target, arguments

    return undo


def _share_steps_of_padding(model: torch.fx.GraphModule) -> None:
    """Let zeros that are padded have the steps of what they are padded to."""
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, SharedQuantizationSpec

    for node in model.graph.nodes:
        if node.target is ATEN.pad.default and ANNOTATION in node.args[0].meta:
            shared = SharedQuantizationSpec(node.args[0])
            node.meta[ANNOTATION] = QuantizationAnnotation(
                input_qspec_map={node.args[0]: shared}, output_qspec=shared, _annotated=True
            )
