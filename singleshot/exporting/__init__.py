"""Exporting detectors to other runtimes: `export` is the workflow.

1. `options`, `request`: what is to be exported, refused before PyTorch is imported.
2. `contracts`: what goes into a model and what comes out.
3. `formats`: a file for each format; `environments` and `external_programs` run converters.
4. `quantization`: int8; `learned_int8`: of detectors whose rounding was trained.
5. `parity`: how the exported model compares with the detector; `parity_table` as text.
6. `folder`: what lies beside the model; `detect_program`, `priors_header`, `folder_files`.
"""
