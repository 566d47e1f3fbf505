"""OpenVINO's intermediate representation: model.xml with its weights in model.bin."""

from __future__ import annotations

from singleshot.exporting.formats.format import ExportFormat, ExportJob, ModelFiles
from singleshot.exporting.formats.onnx import build_onnx
from singleshot.exporting.quantization.openvino import INT8

__all__ = ["FORMAT"]


def convert(job: ExportJob) -> ModelFiles:
    """Write model.xml and model.bin, by way of ONNX, whose graph is the smaller one."""
    import onnx
    import openvino

    through = job.folder / "through.onnx"
    onnx.save(build_onnx(job), str(through))
    try:
        model = openvino.convert_model(str(through))
    finally:
        through.unlink()
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
    half="bfloat16",
    other_pixels=("float32", "normalized"),
    any_batch=True,
    int8=INT8,
    takes_ranges=True,
)
