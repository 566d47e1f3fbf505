"""ONNX: `convert` first.

1. `convert`: from a network to model.onnx, by PyTorch's exporter.
2. `detections`: NMS within the model.
3. `weights`: those whose rounding was learned in training.
4. `graph`: its convolutions, and what is computed from them.
5. `quantize`: int8 after training.
"""

from singleshot.exporting.formats.onnx.convert import FORMAT

__all__ = ["FORMAT"]
