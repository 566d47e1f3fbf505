"""ExecuTorch: model.pte, whose graph XNNPACK computes; for phones and Arm boards."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from singleshot.exporting.formats.format import ExportFormat, ExportJob, ModelFiles
from singleshot.exporting.quantization.settings import Int8Support, QuantizationJob, ladder_of

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["FORMAT", "lower", "quiet"]

FILE = "model.pte"


def convert(job: ExportJob) -> ModelFiles:
    """Write model.pte."""
    import torch

    with quiet(), torch.no_grad():
        program = torch.export.export(job.network, (job.network.example(job.batch),))
        (job.folder / FILE).write_bytes(lower(program))
    return replace(job.described(FILE), precision=job.precision)


def _quantize(request: QuantizationJob) -> ModelFiles:
    """Write model.pte in int8."""
    from singleshot.exporting.quantization.executorch import quantize_executorch

    return quantize_executorch(request)


def lower(program: ExportedProgram) -> bytes:
    """Compile a program for ExecuTorch; XNNPACK takes all that it can compute."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    return bytes(edge.to_executorch().buffer)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings of ExecuTorch and torchao about PyTorch's deprecated names."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


FORMAT = ExportFormat(
    name="executorch",
    about="ExecuTorch with XNNPACK, for phones and Arm boards",
    contracts=("raw", "decoded"),
    extra="executorch",
    modules=("executorch",),
    convert=convert,
    pixels="normalized",
    other_pixels=("uint8", "float32"),
    int8=Int8Support(_quantize, ladder_of("minmax"), mixed_precision=False),
)
