"""From a network to model.rknn, by way of ONNX.

The model takes bytes (b, h, w, 3): rknn-toolkit2 puts the normalisation inside.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from singleshot.exporting.environments import ConverterEnvironment
from singleshot.exporting.formats.format import ExportFormat, ExportJob, ModelFiles
from singleshot.exporting.formats.onnx import build_onnx
from singleshot.runtimes.manifest import ModelInput

__all__ = ["FORMAT", "RKNN_TOOLKIT", "build_rknn"]

FILE = "model.rknn"
DEFAULT_TARGET = "rk3566"
TARGETS = ("rk3562", "rk3566", "rk3568", "rk3576", "rk3588", "rv1126b")

RKNN_TOOLKIT = ConverterEnvironment(
    name="rknn",
    module="rknn",
    # It requires PyTorch 2.4 and onnx 1.18, and works with PyTorch 2.14; of setuptools it imports
    # pkg_resources, which version 80 left out.
    requirements=(
        ("--no-deps", "rknn-toolkit2>=2.3"),
        (
            "setuptools<80",
            "numpy<2",
            "protobuf>=4.21.6,<=4.25.4",
            "onnx>=1.16.1,<=1.18",
            "onnxruntime>=1.17",
            "opencv-python-headless",
            "fast-histogram",
            "psutil",
            "ruamel.yaml",
            "scipy",
            "tqdm",
            "torch",
        ),
    ),
    size="270 MB and PyTorch",
)


def convert(job: ExportJob) -> ModelFiles:
    """Write model.rknn in float16, the floating point of these NPUs."""
    build_rknn(job, job.folder / FILE)
    return replace(job.described(FILE), input=_bytes_input(job), precision="float16")


def build_rknn(job: ExportJob, file: Path, images: Sequence[Path] = ()) -> None:
    """Convert the network of a job; in int8, if there are images to calibrate on.

    Args:
        job: the conversion; its network takes normalised images.
        file: to be written.
        images: .npy files of bytes (1, 3, h, w).

    Raises:
        SingleshotError: the environment of rknn-toolkit2 is missing.
        RunFailed: rknn-toolkit2 failed.
    """
    import onnx

    python = RKNN_TOOLKIT.require(make=job.make_environment, notify=job.notify)
    with tempfile.TemporaryDirectory() as folder:
        through = Path(folder, "model.onnx")
        onnx.save(build_onnx(job), str(through))
        dataset = Path(folder, "dataset.txt")
        dataset.write_text("".join(f"{path}\n" for path in images), encoding="utf-8")
        pixels = job.network.exportable.pixels
        document: dict[str, Any] = {
            "onnx": str(through),
            "model": str(file.absolute()),
            "target": job.target or DEFAULT_TARGET,
            "mean": list(pixels.mean),
            "std": list(pixels.std),
            "algorithm": "normal",
            "dataset": str(dataset) if images else None,
        }
        request = Path(folder, "job.json")
        request.write_text(json.dumps(document), encoding="utf-8")
        RKNN_TOOLKIT.run(python, Path(__file__).with_name("converter.py"), request)


def _bytes_input(job: ExportJob) -> ModelInput:
    """Describe the images: bytes, which the model normalises."""
    described = job.network.input(1, job.input_name)
    changes = {"dtype": "uint8", "layout": "NHWC", "mean": (0, 0, 0), "std": (1, 1, 1)}
    return described.model_copy(update=changes)


FORMAT = ExportFormat(
    name="rknn",
    about="Rockchip's NPUs, such as rk3566 and rk3588",
    contracts=("raw",),
    extra="onnx",
    modules=("onnx", "onnxscript"),
    convert=convert,
    pixels="normalized",
    single_image=("raw",),
    targets=TARGETS,
)
