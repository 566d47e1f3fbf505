"""Exporting detectors to other runtimes: `export` is the workflow.

1. `contracts`: what goes into a model and what comes out.
2. `formats`: a file for each format.
3. `quantization`: int8.
4. `parity`: how the exported model compares with the detector.
"""
