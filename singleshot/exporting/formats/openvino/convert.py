"""OpenVINO's intermediate representation: model.xml with its weights in model.bin."""

from __future__ import annotations

import tempfile
from pathlib import Path

from singleshot.exporting.formats.format import ExportFormat, ExportJob, ModelFiles
from singleshot.exporting.formats.onnx.convert import build_onnx
from singleshot.exporting.formats.openvino.quantize import INT8

__all__ = ["FORMAT"]


def convert(job: ExportJob) -> ModelFiles:
    """Write model.xml and model.bin, by way of ONNX, whose graph is the smaller one."""
    import onnx
    import openvino

    # Not in the job's folder: OpenVINO takes a path with a comma for two.
    with tempfile.TemporaryDirectory() as folder:
        through = Path(folder, "through.onnx")
        onnx.save(build_onnx(job), str(through))
        model = openvino.convert_model(str(through))
    # Weights in float16 would differ from the detector's in the fourth digit.
    half = job.precision in {"float16", "bfloat16"}
    openvino.save_model(model, str(job.folder / "model.xml"), compress_to_fp16=half)
    return job.described("model.xml", "model.bin")


FORMAT = ExportFormat(
    name="openvino",
    about="OpenVINO, for Intel and Arm processors",
    contracts=("raw", "decoded", "detections"),
    extra="openvino",
    modules=("onnx", "onnxscript", "openvino"),
    convert=convert,
    runtime="openvino",
    half="bfloat16",
    other_pixels=("float32", "normalized"),
    any_batch=True,
    int8=INT8,
    takes_ranges=True,
)
