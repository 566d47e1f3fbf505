"""The program of exported folders, which needs NumPy and a runtime alone; Python 3.8 is enough.

The package runs exported models by these files as well; an export joins them into one `detect.py`
(`exporting.detect_program`). In the order of a detection:

1. `model_files`: the manifest, and the files that it describes.
2. `image_files`, `resizing`: from a file to the input.
3. `engines`: the runtimes.
4. `decoding`, `selection`: from outputs to detections; `native` is the same in C++.
5. `detect`: all together, and the command.

Here nothing else of the package is imported.
"""
