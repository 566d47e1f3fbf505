"""OpenVINO: `convert`, by way of ONNX; `quantize`, by NNCF."""

from singleshot.exporting.formats.openvino.convert import FORMAT

__all__ = ["FORMAT"]
