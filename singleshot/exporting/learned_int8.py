"""Detectors whose rounding to int8 was learned in training: `singleshot train --quantize`.

Their fake quantisation becomes pairs of QuantizeLinear and DequantizeLinear, which onnxruntime,
OpenVINO and TensorRT compute in int8 with the ranges of the training. Formats that have no such
operators get the rounded weights without the ranges, to be quantised like any others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from singleshot.detectors.common.quantization import (
    fix_scales,
    is_quantized,
    remove_quantization,
)
from singleshot.errors import SingleshotError
from singleshot.exporting.formats.format import ExportFormat
from singleshot.exporting.options import ExportOptions

if TYPE_CHECKING:
    from torch import nn

__all__ = ["prepare_learned_int8"]


def prepare_learned_int8(network: nn.Module, form: ExportFormat, options: ExportOptions) -> bool:
    """Prepare a network for a format, in place; return whether it will compute in int8 as it is.

    Raises SingleshotError for such a network in 16-bit floats.
    """
    if not is_quantized(network):
        return False
    if form.takes_ranges:
        if options.half:
            raise SingleshotError(
                "half: the detector was trained with the rounding of int8, and computes in int8; "
                "leave --half out"
            )
        if options.int8:
            options.notify("int8: ranges are those of the training; --calibrate is not needed")
        fix_scales(network)
        return True
    remove_quantization(network)
    ranges = "finds ranges of feature maps on images (--int8 --calibrate DATA)"
    if form.int8 is None:
        ranges = "computes in floating point"
    options.notify(
        f"the detector was trained with the rounding of int8: {form.name} takes its rounded "
        f"weights, and {ranges}"
    )
    return False
