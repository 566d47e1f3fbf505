"""A LiteRT model in float32, converted from `small_ssd` with the raw contract: litert-torch, which
converted it, is too large for the tests' environment.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from small_ssd import make_images, small_ssd

import singleshot
from singleshot.exporting.contracts import contract_network
from singleshot.exporting.formats.format import ExportJob, ModelFiles, QuantizationJob
from singleshot.exporting.quantization.settings import QuantizationSetting
from singleshot.runtimes.exported import ExportedDetector

__all__ = [
    "LITERT_FOLDER",
    "calibration_batches",
    "copy_of_litert_model",
    "load_litert",
    "quantization_job",
]

LITERT_FOLDER = Path(__file__).parent / "exporting" / "formats" / "litert" / "small"


def load_litert() -> ExportedDetector:
    """Open the model in LiteRT."""
    detector = singleshot.load(LITERT_FOLDER, threads=1)
    assert isinstance(detector, ExportedDetector)
    return detector


def copy_of_litert_model(folder: Path) -> Path:
    """Copy the model file."""
    return Path(shutil.copy(LITERT_FOLDER / "model.tflite", folder / "model.tflite"))


def calibration_batches(number: int = 8) -> list[np.ndarray]:
    """Images as the model takes them."""
    detector = load_litert()
    return [detector.preprocess([image]) for image in make_images(number)]


def quantization_job(folder: Path) -> QuantizationJob:
    """Make the request to quantise the model into a folder."""
    detector = load_litert()
    manifest = detector.manifest
    network = contract_network(small_ssd().exportable(), "raw", "normalized")
    return QuantizationJob(
        LITERT_FOLDER,
        ModelFiles(("model.tflite",), manifest.input, manifest.outputs),
        ExportJob(network, 1, "int8", None, folder, print),
        QuantizationSetting(),
        lambda: iter(calibration_batches()),
    )
