"""Rockchip's NPUs: `convert` first; `converter` is the script that rknn-toolkit2 runs.

Quantised models are measured in its simulator (`simulator`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from singleshot.exporting.formats.format import (
    ExportFormat,
    Int8Support,
    ModelFiles,
    QuantizationJob,
)
from singleshot.exporting.formats.rknn.convert import build_rknn, convert
from singleshot.exporting.quantization.settings import QuantizationSetting

if TYPE_CHECKING:
    from singleshot.runtimes.standalone.detect import Engine

__all__ = ["FORMAT"]

TARGETS = ("rk3562", "rk3566", "rk3568", "rk3576", "rk3588", "rv1126b")
# Biases that were corrected before make it worse: the error of the offsets is .133 for .096 on
# COCO's images. The toolkit seems to correct them itself.
LADDER = (QuantizationSetting(correct_biases=False), QuantizationSetting())


def _quantize(request: QuantizationJob) -> ModelFiles:
    """Write model.rknn in int8."""
    build_rknn(request.job, request.batches())
    return replace(request.files, precision="int8")


def _simulate(request: QuantizationJob) -> Engine:
    """Build the model in int8, and run it in the toolkit's simulator."""
    from singleshot.exporting.formats.rknn.simulator import SimulatorEngine

    return SimulatorEngine(request.job, request.batches())


FORMAT = ExportFormat(
    name="rknn",
    about="Rockchip's NPUs, such as rk3566 and rk3588",
    contracts=("raw",),
    extra="onnx",
    modules=("onnx", "onnxscript"),
    convert=convert,
    runtime="rknn-toolkit-lite2",
    note="The model runs on Rockchip's boards alone.",
    pixels="normalized",
    single_image=("raw",),
    targets=TARGETS,
    int8=Int8Support(_quantize, LADDER, mixed_precision=False, simulate=_simulate),
)
