"""ExecuTorch: model.pte, whose graph XNNPACK computes; for phones and Arm boards."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from singleshot.exporting.formats.format import ExportJob, ModelFiles

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["convert", "lower", "quiet"]

FILE = "model.pte"


def convert(job: ExportJob) -> ModelFiles:
    """Write model.pte."""
    import torch

    with quiet(), torch.no_grad():
        program = torch.export.export(job.network, (job.network.example(job.batch),))
        (job.folder / FILE).write_bytes(lower(program))
    return replace(job.described(FILE), precision=job.precision)


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
