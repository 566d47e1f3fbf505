"""Formats of exported models, one file each; `format` is what they have in common."""

from singleshot.errors import SingleshotError
from singleshot.exporting.formats import executorch, litert, ncnn, onnx, openvino, rknn, vela, web
from singleshot.exporting.formats.format import ExportFormat

__all__ = ["FORMATS", "find_format_named"]

FORMATS: tuple[ExportFormat, ...] = (
    onnx.FORMAT,
    openvino.FORMAT,
    litert.FORMAT,
    executorch.FORMAT,
    ncnn.FORMAT,
    vela.FORMAT,
    rknn.FORMAT,
    web.FORMAT,
)


def find_format_named(name: str) -> ExportFormat:
    """Find a format by its name; raises SingleshotError for an unknown one."""
    for one in FORMATS:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in FORMATS)
    raise SingleshotError(f"to: no format {name!r}; there are {known}")
