"""ncnn, for Arm boards and phones: model.ncnn.param with its weights in model.ncnn.bin.

pnnx converts it, by way of ONNX. ncnn takes one image at a time, without a batch dimension.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from singleshot.errors import RunFailed
from singleshot.exporting.external_programs import run_program
from singleshot.exporting.formats.format import ExportFormat, ExportJob, ModelFiles
from singleshot.exporting.formats.onnx.convert import build_onnx

__all__ = ["FORMAT", "rename_blobs"]

PARAM, BIN = "model.ncnn.param", "model.ncnn.bin"
_FIRST_BLOB = 4  # words of a layer's line before them: type, name, number of inputs, of outputs


def convert(job: ExportJob) -> ModelFiles:
    """Write model.ncnn.param and model.ncnn.bin."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        onnx.save(build_onnx(job), str(Path(folder, "model.onnx")))
        _run_pnnx(Path(folder), half=job.precision == "float16")
        param = Path(folder, PARAM).read_text(encoding="utf-8")
        weights = Path(folder, BIN).read_bytes()
    names = {"in0": job.input_name}
    names |= {f"out{index}": one.name for index, one in enumerate(job.network.outputs(1))}
    (job.folder / PARAM).write_text(rename_blobs(param, names), encoding="utf-8")
    (job.folder / BIN).write_bytes(weights)
    return replace(job.described(PARAM, BIN), precision=job.precision)


def _run_pnnx(folder: Path, *, half: bool) -> None:
    """Convert model.onnx in a folder; RunFailed with pnnx's last lines where it fails."""
    import pnnx

    # The package puts its program beside the interpreter's, and finds it there itself.
    words = [str(pnnx.EXEC_PATH), "model.onnx", f"fp16={int(half)}"]
    run_program(words, "pnnx", folder=folder)
    if not Path(folder, PARAM).is_file():
        raise RunFailed(f"pnnx failed: it wrote no {PARAM}")


def rename_blobs(param: str, names: Mapping[str, str]) -> str:
    """Rename inputs and outputs in the text of a .param file."""
    magic, counts, *layers = param.splitlines()
    return "\n".join([magic, counts, *(_renamed(line.split(), names) for line in layers)]) + "\n"


def _renamed(words: Sequence[str], names: Mapping[str, str]) -> str:
    """Rename the blobs of one layer, which stand before its parameters."""
    num_blobs = int(words[2]) + int(words[3])
    blobs = [names.get(word, word) for word in words[_FIRST_BLOB : _FIRST_BLOB + num_blobs]]
    layer = f"{words[0]:<24} {words[1]:<24} {words[2]} {words[3]}"
    return " ".join([layer, *blobs, *words[_FIRST_BLOB + num_blobs :]])


FORMAT = ExportFormat(
    name="ncnn",
    about="ncnn, for Arm boards and phones",
    contracts=("raw", "decoded"),
    extra="ncnn",
    modules=("onnx", "onnxscript", "ncnn", "pnnx"),
    convert=convert,
    runtime="ncnn",
    pixels="normalized",
    single_image=("raw", "decoded"),
    other_pixels=("float32",),
    half="float16",
)
