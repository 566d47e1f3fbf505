"""LiteRT (TensorFlow Lite): `convert` first.

1. `convert`: from a network to model.tflite.
2. `converter`: the script that litert-torch runs in its own environment.
3. `flatbuffer`: the file, read, changed and written; weights inside, where microcontrollers look.
4. `postprocess`: NMS within the model, for Android and Coral.
5. `quantize`: int8 after training, by ai-edge-quantizer.
"""

from singleshot.exporting.formats.litert.convert import FORMAT

__all__ = ["FORMAT"]
