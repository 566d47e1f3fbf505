"""The detector in a browser: one page, with the model and its runtime inside.

1. `convert`: ONNX, and what is written beside it.
2. `runtime`: onnxruntime-web of one version, from a file or from npm's registry.
"""

from singleshot.exporting.formats.web.convert import FORMAT

__all__ = ["FORMAT"]
