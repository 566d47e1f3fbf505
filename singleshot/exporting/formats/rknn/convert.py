"""From a network to model.rknn, by way of ONNX.

The model takes bytes (b, h, w, 3): rknn-toolkit2 puts the normalisation inside.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from singleshot.exporting.environments import ConverterEnvironment
from singleshot.exporting.formats.format import ExportJob, ModelFiles
from singleshot.exporting.formats.onnx.convert import build_onnx
from singleshot.runtimes.manifest import ModelInput

__all__ = [
    "CONVERTER",
    "IMAGES",
    "OUTPUTS",
    "RKNN_TOOLKIT",
    "build_rknn",
    "convert",
    "write_request",
]

FILE = "model.rknn"
CONVERTER = Path(__file__).with_name("converter.py")
IMAGES, OUTPUTS = "images.npy", "outputs.npz"  # of the simulator
DEFAULT_TARGET = "rk3566"

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
    build_rknn(job)
    return replace(job.described(FILE), input=_bytes_input(job), precision="float16")


def build_rknn(job: ExportJob, batches: Iterable[np.ndarray] = ()) -> None:
    """Write model.rknn; in int8, if there are images to calibrate on.

    Args:
        job: the conversion; its network takes normalised images.
        batches: bytes (1, h, w, 3).

    Raises:
        SingleshotError: the environment of rknn-toolkit2 is missing.
        RunFailed: rknn-toolkit2 failed.
    """
    python = RKNN_TOOLKIT.require(make=job.make_environment, notify=job.notify)
    with tempfile.TemporaryDirectory() as folder:
        RKNN_TOOLKIT.run(python, CONVERTER, write_request(job, Path(folder), batches))


def write_request(job: ExportJob, folder: Path, batches: Iterable[np.ndarray]) -> Path:
    """Write what the converter reads to a folder, and return the file that names all of it.

    Args:
        job: as for `build_rknn`.
        folder: for the files; `images.npy` and `outputs.npz` in it are those of the simulator.
        batches: as for `build_rknn`.
    """
    import onnx

    onnx.save(build_onnx(job), str(folder / "model.onnx"))
    calibration = []
    for index, batch in enumerate(batches):
        calibration.append(folder / f"calibration-{index}.npy")
        # The toolkit reads arrays in the layout of the ONNX model, other than those to run.
        np.save(calibration[-1], np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))
    dataset = folder / "dataset.txt"
    dataset.write_text("".join(f"{path}\n" for path in calibration), encoding="utf-8")
    pixels = job.network.exportable.pixels
    document = {
        "onnx": str(folder / "model.onnx"),
        "model": str((job.folder / FILE).absolute()),
        "target": job.target or DEFAULT_TARGET,
        "mean": list(pixels.mean),
        "std": list(pixels.std),
        "algorithm": "normal",
        "dataset": str(dataset) if calibration else None,
        "images": str(folder / IMAGES),
        "outputs": str(folder / OUTPUTS),
        "names": [one.name for one in job.network.outputs(1)],
    }
    request = folder / "job.json"
    request.write_text(json.dumps(document), encoding="utf-8")
    return request


def _bytes_input(job: ExportJob) -> ModelInput:
    """Describe the images: bytes, which the model normalises."""
    described = job.network.input(1, job.input_name)
    changes = {"dtype": "uint8", "layout": "NHWC", "mean": (0, 0, 0), "std": (1, 1, 1)}
    return described.model_copy(update=changes)
