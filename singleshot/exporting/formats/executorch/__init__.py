"""ExecuTorch: `convert`; `quantize`, by PyTorch 2's export quantisation."""

from singleshot.exporting.formats.executorch.convert import convert
from singleshot.exporting.formats.format import (
    ExportFormat,
    Int8Support,
    ModelFiles,
    QuantizationJob,
)
from singleshot.exporting.quantization.settings import ladder_of

__all__ = ["FORMAT"]


def _quantize(request: QuantizationJob) -> ModelFiles:
    """Write model.pte in int8."""
    from singleshot.exporting.formats.executorch.quantize import quantize_executorch

    return quantize_executorch(request)


FORMAT = ExportFormat(
    name="executorch",
    about="ExecuTorch with XNNPACK, for phones and Arm boards",
    contracts=("raw", "decoded"),
    extra="executorch",
    modules=("executorch",),
    convert=convert,
    runtime="executorch torch",
    pixels="normalized",
    other_pixels=("uint8", "float32"),
    int8=Int8Support(_quantize, ladder_of("minmax"), mixed_precision=False),
)
