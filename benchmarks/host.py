"""Work of the host around an exported network: resizing to its input, outputs to detections.

On one thread: 640 x 480 to 300 x 300, and 1,917 priors with 90 classes as SSDLite has them, of
which about 1,300 scores are above 0.01. C++ is compiled by the system's `c++`, if there is one.
"""

from __future__ import annotations

import base64
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from benchmarks.timing import alternately
from singleshot.detectors.common.postprocess import PostprocessOptions
from singleshot.detectors.common.resize import resize_to_bytes
from singleshot.detectors.ssd.postprocess import postprocess
from singleshot.exporting.folder import FILES
from singleshot.runtimes.standalone import detect

ROUNDS = 60
CLASSES = 90
SIZE = (480, 640)
GRIDS = [(19, 3), (10, 6), (5, 6), (3, 6), (2, 6), (1, 6)]
SCALES = [0.2, 0.35, 0.5, 0.65, 0.8, 0.95]
THRESHOLDS = (0.01, 0.3)


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        library = build_library(Path(folder))
        outputs, priors = make_outputs()
        print("| 640 × 480 to 300 × 300 | ms | largest difference |")
        print("|---|---|---|")
        print_resizes(library and detect.Native(library, manifest_of(outputs, priors, 0.01)))
        print()
        print("| decoding and NMS, 1,917 priors, 90 classes | score > 0.01, ms | > 0.3, ms |")
        print("|---|---|---|")
        print_decoders(outputs, priors, library)


def build_library(folder: Path) -> Path | None:
    """Compile the C++ of exported folders; None without a compiler."""
    path = folder / "libsingleshot_decoder.so"
    source = str(FILES / "example" / "c_api.cpp")
    command = ["c++", "-std=c++17", "-O3", "-shared", "-fPIC", source, "-o", str(path)]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        return None
    return path


def print_resizes(native: detect.Native | None) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    planes = tensor.contiguous()
    pillow = Image.fromarray(image)
    expected = resize_to_bytes(tensor, (300, 300), "antialias").permute(1, 2, 0).numpy()
    works: dict[str, Callable[[], object]] = {
        "singleshot, interleaved": partial(resize_to_bytes, tensor, (300, 300), "antialias"),
        "singleshot, planes": partial(resize_to_bytes, planes, (300, 300), "antialias"),
        "detect.py, NumPy": partial(detect.resize, image, (300, 300), "antialias"),
        "Pillow": partial(pillow.resize, (300, 300), Image.Resampling.BILINEAR),
        "PyTorch in floats": partial(as_floats, planes),
        "OpenCV, no antialiasing": partial(cv2.resize, image, (300, 300)),
    }
    if native is not None:
        works["resize.hpp"] = partial(native.resize, image, (300, 300), "antialias")
    for (name, work), times in zip(
        works.items(), alternately(list(works.values()), ROUNDS), strict=True
    ):
        result = work()
        found = np.asarray(result)
        found = found.transpose(1, 2, 0) if found.shape[0] == 3 else found
        difference = np.abs(found.astype(np.float64) - expected).max()
        print(f"| {name} | {statistics.median(times):.2f} | {difference:.0f} |")


def as_floats(image: torch.Tensor) -> torch.Tensor:
    options = {"mode": "bilinear", "antialias": True, "align_corners": False}
    return F.interpolate(image[None].float(), (300, 300), **options)[0]


def make_outputs() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Draw outputs as of a trained network: few scores that matter, and their priors."""
    random = np.random.default_rng(0)
    outputs, priors = {}, []
    for kind, width in (("offsets", 4), ("logits", CLASSES)):
        for level, (grid, per_cell) in enumerate(GRIDS):
            values = random.standard_normal((1, per_cell * width, grid, grid))
            if kind == "logits":
                values = 1.6 * values - 8.5
            outputs[f"{kind}_{level}"] = values.astype(np.float32)
    for (grid, per_cell), scale in zip(GRIDS, SCALES, strict=True):
        centres = (np.arange(grid) + 0.5) / grid
        y, x = np.meshgrid(centres, centres, indexing="ij")
        for_cell = np.stack([x, y, np.full_like(x, scale), np.full_like(x, scale)], axis=-1)
        priors.append(np.repeat(for_cell.reshape(-1, 4), per_cell, axis=0))
    return outputs, np.concatenate(priors).astype(np.float32)


def manifest_of(
    outputs: dict[str, np.ndarray], priors: np.ndarray, threshold: float
) -> dict[str, object]:
    """Describe the outputs as `model.json` does."""
    return {
        "contract": "raw",
        "class_names": [str(label) for label in range(CLASSES)],
        "outputs": [
            {"name": name, "kind": name.split("_")[0], "layout": "NCHW"} for name in outputs
        ],
        "decoding": {
            "scores": "sigmoid",
            "first_column": 0,
            "num_columns": CLASSES,
            "offset_scales": [0.1, 0.2],
            "levels": [{"grid": [grid, grid], "priors_per_cell": n} for grid, n in GRIDS],
            "priors_float32_base64": base64.b64encode(priors.tobytes()),
        },
        "postprocessing": {
            "score_threshold": threshold,
            "iou_threshold": 0.6,
            "top_k": 100,
            "keep": 100,
            "clip_before_nms": False,
            "nms": "hard",
            "soft_sigma": 0.5,
        },
    }


def print_decoders(
    outputs: dict[str, np.ndarray], priors: np.ndarray, library: Path | None
) -> None:
    columns: dict[str, list[float]] = {}
    for threshold in THRESHOLDS:
        manifest = manifest_of(outputs, priors, threshold)
        works: dict[str, Callable[[], object]] = {
            "singleshot, PyTorch": partial(by_the_package, outputs, priors, threshold),
            "detect.py, NumPy": partial(by_numpy, outputs, priors, manifest),
        }
        if library is not None:
            native = detect.Native(library, manifest)
            works["decoder.hpp, from Python"] = partial(native.select, outputs, 0, SIZE)
        for name, times in zip(works, alternately(list(works.values()), ROUNDS), strict=True):
            columns.setdefault(name, []).append(statistics.median(times))
    for name, medians in columns.items():
        print(f"| {name} | {' | '.join(f'{median:.2f}' for median in medians)} |")


@torch.inference_mode()
def by_the_package(outputs: dict[str, np.ndarray], priors: np.ndarray, threshold: float) -> object:
    parts: dict[str, list[torch.Tensor]] = {"offsets": [], "logits": []}
    for name, values in outputs.items():
        kind = name.split("_")[0]
        width = 4 if kind == "offsets" else CLASSES
        parts[kind].append(torch.from_numpy(values).permute(0, 2, 3, 1).reshape(1, -1, width))
    options = PostprocessOptions(threshold, 0.6, 100, 100)
    joined = (torch.cat(parts[kind], dim=1) for kind in ("offsets", "logits"))
    return postprocess(*joined, torch.from_numpy(priors), [SIZE], scores="sigmoid", options=options)


def by_numpy(
    outputs: dict[str, np.ndarray], priors: np.ndarray, manifest: dict[str, object]
) -> object:
    found = detect.candidates(outputs, manifest, 0, priors)
    return detect.select(found, manifest["postprocessing"])


if __name__ == "__main__":
    main()
