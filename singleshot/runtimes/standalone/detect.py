"""Detect objects with the model in this folder.

    python detect.py photo.jpg

needs NumPy, the runtime of the model (onnxruntime, openvino, ai-edge-litert, ncnn, executorch) and,
for image files other than .npy and .ppm, Pillow or OpenCV. Python 3.8 is enough. As a module:

    import detect
    model = detect.load(".")
    for x1, y1, x2, y2, score, label in model.detect(image):  # uint8 RGB (height, width, 3)
        print(model.class_names[int(label)], score)
"""

from __future__ import annotations

import argparse
import base64
import ctypes
import hashlib
import importlib
import importlib.metadata
import json
import math
import os
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

try:
    import numpy as np
except ImportError:
    if __name__ != "__main__":
        raise
    print("Error: NumPy is needed; install it with: pip install numpy", file=sys.stderr)
    sys.exit(2)

__all__ = [
    "Candidates",
    "Engine",
    "Model",
    "Native",
    "candidates",
    "check_files",
    "load",
    "open_engine",
    "read_manifest",
    "resize",
    "run",
    "select",
    "to_input",
]

MANIFEST = "model.json"
REQUIRED_KEYS = (
    "format",
    "contract",
    "class_names",
    "files",
    "input",
    "outputs",
    "decoding",
    "postprocessing",
)
DEFAULT_SCORE_THRESHOLD = 0.3
# exp(x) of a wild prediction would overflow.
LARGEST_LOG_RATIO = math.log(1000 / 16)

Array = np.ndarray


class Candidates(NamedTuple):
    """Scored boxes of one image."""

    boxes: np.ndarray  # (n, 4): corners as fractions of the image
    scores: np.ndarray  # (n,)
    labels: np.ndarray  # (n,)


class ModelFileError(Exception):
    """A model file is missing, damaged or of another model, or its runtime is missing."""


# ---------------------------------------------------------------- the folder


def read_manifest(path: Path) -> dict[str, Any]:
    """Read `model.json` of a folder, or of the folder that a model file is in."""
    file = (path if path.is_dir() else path.parent) / MANIFEST
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFileError(f"{file}: not readable: {error.strerror}") from error
    except ValueError as error:
        raise ModelFileError(f"{file}: damaged: {error}; copy it again") from error
    if not isinstance(document, dict) or "manifest_version" not in document:
        raise ModelFileError(f"{file}: not the manifest of an exported model")
    if missing := [key for key in REQUIRED_KEYS if key not in document]:
        raise ModelFileError(f"{file}: damaged: no {', '.join(missing)}; copy it again")
    return document


def check_files(folder: Path, manifest: Mapping[str, Any]) -> Path:
    """Compare the files of the model with the manifest, and return the one to open."""
    if not isinstance(manifest["files"], dict) or not manifest["files"]:
        raise ModelFileError(f"{folder / MANIFEST}: damaged: names no files; copy it again")
    for name, expected in manifest["files"].items():
        path = folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelFileError(f"{path}: not readable: {error.strerror}") from error
        if len(content) < expected["bytes"]:
            raise ModelFileError(
                "{}: cut short: {} of {} bytes; copy it again".format(
                    path, len(content), expected["bytes"]
                )
            )
        if hashlib.sha256(content).hexdigest() != expected["sha256"]:
            raise ModelFileError(
                f"{path}: not the file that {MANIFEST} describes: damaged, or of another model; "
                "copy both again, or export again"
            )
    first: str = next(iter(manifest["files"]))
    return folder / first


# ---------------------------------------------------------------- images


def resize(image: Array, size: tuple[int, int], how: str) -> Array:
    """Resize uint8 (h, w, 3) to (height, width), bilinearly, as the library that `how` names.

    The result is uint8 for `antialias` and `opencv`, which make whole numbers, else float32.
    """
    if how == "antialias":
        # Along rows first, and of columns that lie together in memory, as rows do.
        columns = _sum_taps(np.ascontiguousarray(image.transpose(1, 0, 2)), size[1])
        return _sum_taps(np.ascontiguousarray(columns.transpose(1, 0, 2)), size[0])
    if how == "opencv":
        return _resize_as_opencv(image, size)
    if how == "tensorflow1":
        resized = _between(image, _neighbours(image.shape[0], size[0], how), axis=0)
        return _between(resized, _neighbours(image.shape[1], size[1], how), axis=1)
    resized = _between(image, _neighbours(image.shape[1], size[1], how), axis=1)
    return _between(resized, _neighbours(image.shape[0], size[0], how), axis=0)


def _sum_taps(rows: Array, cells: int) -> Array:
    """Resize along the first axis with antialiasing: PyTorch's kernel of whole numbers."""
    first, weights, precision = _triangle(len(rows), cells)
    total = np.full((cells, *rows.shape[1:]), 1 << (precision - 1), np.int32)
    product = np.empty_like(total)
    for tap in range(weights.shape[1]):
        source = rows[np.minimum(first + tap, len(rows) - 1)]
        np.multiply(source, weights[:, tap, None, None], out=product)
        total += product
    total >>= precision
    return total.astype(np.uint8)


def _triangle(side: int, cells: int) -> tuple[Array, Array, int]:
    """Return first pixel and weights (cells, taps) of each cell, in units of 2^-precision."""
    scale = side / cells
    reach = max(scale, 1.0)
    centre = scale * (np.arange(cells) + 0.5)
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + reach + 0.5).astype(np.int64), side)
    pixel = first[:, None] + np.arange((last - first).max())
    triangle = np.maximum(1 - np.abs((pixel - centre[:, None] + 0.5) * (1 / reach)), 0)
    triangle[pixel >= last[:, None]] = 0
    weights = triangle / triangle.sum(axis=1, keepdims=True)
    # The most digits that the largest weight has in 16 bits.
    precision = 0
    while precision < 22 and int(0.5 + weights.max() * (2 << precision)) < 1 << 15:
        precision += 1
    return first, (weights * (1 << precision) + 0.5).astype(np.int32), precision


def _neighbours(side: int, cells: int, how: str) -> tuple[Array, Array, Array]:
    """Return the two pixels around each cell of the result, and the second one's part."""
    cell = np.arange(cells, dtype=np.float32)
    if how == "tensorflow1":
        place = cell * np.float32(side / cells)
    elif how == "darknet":
        place = cell * np.float32((side - 1) / max(cells - 1, 1))
    elif how == "opencv":
        scale = 1 / (cells / side)
        place = ((np.arange(cells) + 0.5) * scale - 0.5).astype(np.float32)
    else:
        place = np.maximum(np.float32(side / cells) * (cell + np.float32(0.5)) - np.float32(0.5), 0)
    before = np.floor(place)
    first = np.clip(before, 0, side - 1).astype(np.int64)
    second = np.clip(before + 1, 0, side - 1).astype(np.int64)
    return first, second, place - before


def _between(image: Array, neighbours: tuple[Array, Array, Array], axis: int) -> Array:
    """Interpolate along an axis of (rows, columns, 3)."""
    first, second, part = neighbours
    part = part.reshape((-1, 1, 1) if axis == 0 else (-1, 1))
    near = image.take(first, axis=axis).astype(np.float32)
    blended: Array = near + (image.take(second, axis=axis) - near) * part
    return blended


def _resize_as_opencv(image: Array, size: tuple[int, int]) -> Array:
    """Resize as INTER_LINEAR does bytes: weights are whole numbers of 1/2048."""
    top, bottom, down = _neighbours(image.shape[0], size[0], "opencv")
    left, right, across = _neighbours(image.shape[1], size[1], "opencv")
    before, after, above, below = (
        np.rint(part * 2048).astype(np.int32) for part in (1 - across, across, 1 - down, down)
    )
    # Beyond the first and the last column there is no second one.
    before, after = np.where(left == right, 2048, before), np.where(left == right, 0, after)
    wide = image.astype(np.int32)
    stretched = (wide[:, left] * before[:, None] + wide[:, right] * after[:, None]) >> 4
    upper = stretched[top] * above[:, None, None] >> 16
    lower = stretched[bottom] * below[:, None, None] >> 16
    blended: Array = ((upper + lower + 2) >> 2).astype(np.uint8)
    return blended


def to_input(images: Sequence[Array], description: Mapping[str, Any]) -> Array:
    """Stack resized images (h, w, 3) as the model takes them: normalised, typed, laid out."""
    batch = np.stack(list(images))
    mean = np.array(description["mean"], np.float32)
    std = np.array(description["std"], np.float32)
    if mean.any() or (std != 1).any():
        batch = (batch - mean) / std
    quantization = description.get("quantization")
    if quantization is not None:
        batch = (
            np.rint(batch.astype(np.float32) / np.float32(quantization["scale"]))
            + quantization["zero_point"]
        )
    if description["dtype"] not in ("float32", batch.dtype):
        limits = np.iinfo(description["dtype"])
        batch = np.clip(np.rint(batch), limits.min, limits.max)
    if description["layout"] == "NCHW":
        batch = batch.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(batch, dtype=description["dtype"])


# ---------------------------------------------------------------- from outputs to detections


def priors_of(manifest: Mapping[str, Any]) -> Array:
    """Decode the table of priors (n, 4): centre x, centre y, width, height as fractions."""
    content = base64.b64decode(manifest["decoding"]["priors_float32_base64"])
    return np.frombuffer(content, "<f4").reshape(-1, 4)


def candidates(
    outputs: Mapping[str, Array], manifest: Mapping[str, Any], image: int, priors: Array
) -> Candidates:
    """Return boxes, scores and labels above the score threshold, of one image of the batch.

    By label, then by prior. Of the contract `detections` NMS is done.
    """
    threshold = manifest["postprocessing"]["score_threshold"]
    num_classes = len(manifest["class_names"])
    by_kind: dict[str, list[Array]] = {}
    for one in manifest["outputs"]:
        by_kind.setdefault(one["kind"], []).append(outputs[one["name"]][image])
    if manifest["contract"] == "detections":
        rows = by_kind["detections"][0]
        rows = rows[rows[:, 5] >= 0]
        return Candidates(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64))
    if manifest["contract"] == "raw":
        prior, label, scores = _scores_of_levels(by_kind["logits"], manifest, threshold)
    else:
        first = next(one["first_column"] for one in manifest["outputs"] if one["kind"] == "scores")
        table = by_kind["scores"][0]
        prior, column, scores = _above(table, threshold)
        label = column - first
        known = (label >= 0) & (label < num_classes) & np.isfinite(scores)
        prior, label, scores = prior[known], label[known], scores[known]
    order = np.argsort(label * len(priors) + prior)
    prior, label, scores = prior[order], label[order], scores[order]
    if manifest["contract"] != "raw":
        return Candidates(by_kind["boxes"][0][prior], scores, label)
    offsets = _offsets_at(prior, by_kind["offsets"], manifest)
    boxes = _decode(offsets, priors[prior], manifest["decoding"]["offset_scales"])
    return Candidates(boxes, scores, label)


def _above(table: Array, threshold: float) -> tuple[Array, Array, Array]:
    """Return row, column and value of the numbers above a threshold."""
    flat = table.reshape(-1)
    index = np.flatnonzero(flat > np.float32(threshold))
    row, column = np.divmod(index, table.shape[1])
    return row, column, flat[index]


def _scores_of_levels(
    logits: Sequence[Array], manifest: Mapping[str, Any], threshold: float
) -> tuple[Array, Array, Array]:
    """Return prior, label and score of all scores above the threshold."""
    decoding = manifest["decoding"]
    layouts = [one["layout"] for one in manifest["outputs"] if one["kind"] == "logits"]
    first, num_classes = decoding["first_column"], len(manifest["class_names"])
    sigmoid = decoding["scores"] == "sigmoid"
    parts, before = [], 0
    for values, level, layout in zip(logits, decoding["levels"], layouts):
        cells, per_cell = level["grid"][0] * level["grid"][1], level["priors_per_cell"]
        shape = (per_cell, -1, cells) if layout == "NCHW" else (cells, per_cell, -1)
        with np.errstate(invalid="ignore", over="ignore"):
            table = values.reshape(shape)
            if np.isnan(table.max()):  # a prior with NaN among its logits is no detection
                broken = np.isnan(table).any(axis=1 if layout == "NCHW" else 2, keepdims=True)
                table = np.where(broken, np.float32(-np.inf), table)
            one, other, column, scores = (
                _sigmoid_above(table, layout, threshold)
                if sigmoid
                else _softmax_above(table, layout, first, threshold)
            )
        prior = other * per_cell + one if layout == "NCHW" else one * per_cell + other
        label = column - first
        known = (scores > np.float32(threshold)) & (label >= 0) & (label < num_classes)
        parts.append(((prior + before)[known], label[known], scores[known]))
        before += cells * per_cell
    prior, label, scores = (np.concatenate(column) for column in zip(*parts))
    return prior, label, scores


def _sigmoid_above(
    table: Array, layout: str, threshold: float
) -> tuple[Array, Array, Array, Array]:
    """Compare with the logit of the threshold: most logits need no sigmoid."""
    lowest = -math.inf if threshold <= 0 else math.log(threshold / max(1 - threshold, 1e-30))
    flat = table.reshape(-1)
    index = np.flatnonzero(flat > np.float32(lowest - 1e-3))
    scores = 1 / (1 + np.exp(-flat[index]))
    rest, inner = np.divmod(index, table.shape[2])
    outer, middle = np.divmod(rest, table.shape[1])
    if layout == "NCHW":
        return outer, inner, middle, scores
    return outer, middle, inner, scores


def _softmax_above(
    table: Array, layout: str, first: int, threshold: float
) -> tuple[Array, Array, Array, Array]:
    """Compute the softmax of priors alone of which a class comes close to the background."""
    axis = 1 if layout == "NCHW" else 2
    gap = np.float32(math.log(threshold) - 1e-3) if threshold > 0 else -np.inf
    background, classes = np.split(table, [first], axis=axis)
    one, other = np.nonzero(classes.max(axis=axis) >= background.max(axis=axis) + gap)
    logits = table[one, :, other] if layout == "NCHW" else table[one, other]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    row, column, scores = _above(powers / powers.sum(axis=1, keepdims=True), threshold)
    return one[row], other[row], column, scores


def _offsets_at(prior: Array, offsets: Sequence[Array], manifest: Mapping[str, Any]) -> Array:
    """Return the offsets (n, 4) of some priors."""
    layouts = [one["layout"] for one in manifest["outputs"] if one["kind"] == "offsets"]
    rows = [
        (values.transpose(1, 2, 0) if layout == "NCHW" else values).reshape(-1, 4)
        for values, layout in zip(offsets, layouts)
    ]
    found: Array = np.concatenate(rows)[prior]
    return found


def _decode(offsets: Array, priors: Array, scales: Sequence[float]) -> Array:
    """Decode offsets from priors into boxes: corners as fractions of the image."""
    with np.errstate(invalid="ignore", over="ignore"):
        centres = offsets[:, :2] * np.float32(scales[0]) * priors[:, 2:] + priors[:, :2]
        largest = np.float32(LARGEST_LOG_RATIO)
        ratios = np.exp(np.minimum(offsets[:, 2:] * np.float32(scales[1]), largest))
        halves = ratios * priors[:, 2:] / np.float32(2)
        return np.concatenate([centres - halves, centres + halves], axis=1)


def select(
    found: Candidates, postprocessing: Mapping[str, Any], sides: Sequence[float] = (1, 1)
) -> Candidates:
    """Select detections: the best of each label, NMS within each, the best of all; best first.

    `sides` are width and height of the image, in which NMS of the kind `distance` measures.
    """
    boxes, scores, labels = found
    if postprocessing["clip_before_nms"]:
        boxes = np.clip(boxes, 0, 1)
    finite = np.isfinite(boxes).all(axis=1)
    if not finite.all():
        boxes, scores, labels = boxes[finite], scores[finite], labels[finite]
    keep, kind = postprocessing["keep"], postprocessing["nms"]
    order = np.lexsort((-scores, labels))
    order = order[_rank(labels[order])[0] < postprocessing["top_k"]]
    if kind == "soft":
        scores = _decay(boxes, scores, labels, order, postprocessing["soft_sigma"])
        kept = order[scores[order] > np.float32(postprocessing["score_threshold"])]
    else:
        kept = _greedy(Candidates(boxes, scores, labels), order, postprocessing, sides)
    kept = kept[np.argsort(-scores[kept], kind="stable")][:keep]
    chosen = boxes[kept]
    if kind == "weighted" and len(kept):
        chosen = _average(Candidates(boxes, scores, labels), kept, order, postprocessing)
    return Candidates(np.clip(chosen, 0, 1), scores[kept], labels[kept])


def _greedy(
    found: Candidates, order: Array, postprocessing: Mapping[str, Any], sides: Sequence[float]
) -> Array:
    """Return those of `order` that greedy NMS keeps; of many, enough of the best."""
    front = 4 * postprocessing["keep"]
    if len(order) > front:
        # Worse boxes are not needed, unless too many of the best suppress each other.
        scores = found.scores[order]
        least = np.partition(scores, len(scores) - front)[len(scores) - front]
        kept = _suppress(found, order[scores >= least], postprocessing, sides)
        if len(kept) >= postprocessing["keep"]:
            return kept
    return _suppress(found, order, postprocessing, sides)


def _suppress(
    found: Candidates, index: Array, postprocessing: Mapping[str, Any], sides: Sequence[float]
) -> Array:
    """Return those of `index` that greedy NMS keeps, given by label, best first."""
    boxes, labels = found.boxes, found.labels
    _, later = _rank(labels[index])
    # All pairs of one label, the better box first.
    better = np.repeat(np.arange(len(index)), later)
    start = np.repeat(np.cumsum(later) - later, later)
    worse = better + 1 + np.arange(len(better)) - start
    distance = postprocessing["nms"] == "distance"
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        placed = boxes[index]
        if distance:
            placed = placed * np.array([*sides, *sides], np.float32)
        corners = np.ascontiguousarray(placed.T)
        overlap = _iou(corners, better, worse)
        if distance:
            overlap -= _distance(corners, better, worse)
        close = overlap > np.float32(postprocessing["iou_threshold"])
    better, worse = better[close], worse[close]
    # A box stays unless a better one that stays is close: right for the k-th after k rounds.
    stays = np.ones(len(index), bool)
    while True:
        before, stays = stays, np.ones(len(index), bool)
        stays[worse[before[better]]] = False
        if (before == stays).all():
            return index[stays]


def _average(
    found: Candidates, kept: Array, order: Array, postprocessing: Mapping[str, Any]
) -> Array:
    """Average each box that is kept with those it removes, weighted by score."""
    boxes, scores, labels = found
    counts = np.bincount(labels[order], minlength=labels[kept].max() + 1)
    numbers = counts[labels[kept]]
    # All pairs of a kept box and a candidate of its label, the best kept box first.
    one = np.repeat(np.arange(len(kept)), numbers)
    start = (np.cumsum(counts) - counts)[labels[kept]] - (np.cumsum(numbers) - numbers)
    other = np.arange(len(one)) + np.repeat(start, numbers)
    both = np.concatenate([boxes[kept], boxes[order]]).T
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        iou = _iou(np.ascontiguousarray(both), one, len(kept) + other)
        close = iou > np.float32(postprocessing["iou_threshold"])
    close |= kept[one] == order[other]
    # A box belongs to the best of those that are kept and close: the last that is written.
    owner = np.full(len(order), -1)
    owner[other[close][::-1]] = one[close][::-1]
    owned = order[owner >= 0]
    terms = np.concatenate([boxes[owned], np.ones((len(owned), 1))], axis=1)
    terms *= scores[owned, None]
    owner = owner[owner >= 0]
    sums = np.stack([np.bincount(owner, column, len(kept)) for column in terms.T], axis=1)
    averaged: Array = (sums[:, :4] / sums[:, 4:]).astype(np.float32)
    return averaged


def _decay(boxes: Array, scores: Array, labels: Array, order: Array, sigma: float) -> Array:
    """Lower the scores of each label's boxes by their overlap with every better one."""
    decayed = scores.copy()
    for label in np.unique(labels[order]):
        left = order[labels[order] == label]
        corners = np.ascontiguousarray(boxes[left].T)
        own, places = scores[left], np.arange(len(left))
        while len(places):
            best = int(own[places].argmax())
            taken, places = places[best], np.delete(places, best)
            with np.errstate(invalid="ignore", divide="ignore"):
                iou = np.nan_to_num(_iou(corners, np.array([taken]), places))
            own[places] *= np.exp(-(iou**2) / np.float32(sigma))
        decayed[left] = own
    lowered: Array = decayed
    return lowered


def _rank(labels: Array) -> tuple[Array, Array]:
    """Return how many of the same label come before and after each; equal ones are neighbours."""
    counts = np.bincount(labels)
    ends = np.cumsum(counts)[labels]
    place = np.arange(len(labels))
    return place - (ends - counts[labels]), ends - place - 1


def _iou(corners: Array, one: Array, other: Array) -> Array:
    """Compute the IoU of pairs of boxes, whose four coordinates are rows of `corners`."""
    x1, y1, x2, y2 = corners
    areas = (x2 - x1) * (y2 - y1)
    width = np.minimum(x2[one], x2[other]) - np.maximum(x1[one], x1[other])
    height = np.minimum(y2[one], y2[other]) - np.maximum(y1[one], y1[other])
    both = np.maximum(width, 0) * np.maximum(height, 0)
    iou: Array = both / (areas[one] + areas[other] - both)
    return iou


def _distance(corners: Array, one: Array, other: Array) -> Array:
    """Compute squared distances of centres, in squared diagonals of the enclosing boxes."""
    x1, y1, x2, y2 = corners
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    width = np.maximum(x2[one], x2[other]) - np.minimum(x1[one], x1[other])
    height = np.maximum(y2[one], y2[other]) - np.minimum(y1[one], y1[other])
    apart = (x[one] - x[other]) ** 2 + (y[one] - y[other]) ** 2
    relative: Array = apart / np.maximum(width**2 + height**2, 1e-12)
    return relative


# ---------------------------------------------------------------- runtimes


class Engine:
    """A model in its runtime: `run` maps a batch to outputs as float32, by name."""

    runtime = ""  # name and version

    def run(self, batch: Array) -> dict[str, Array]:
        """Run the model on a batch as `to_input` makes it."""
        raise NotImplementedError


class OnnxRuntimeEngine(Engine):
    """An ONNX file in onnxruntime, on the CPU."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        onnxruntime = _import("onnxruntime", "onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # of onnxruntime's own kinds
            raise _unreadable(file, "onnxruntime", error) from error
        self.runtime = f"onnxruntime {onnxruntime.__version__}"
        self.input = self.session.get_inputs()[0].name
        self.outputs = [one.name for one in self.session.get_outputs()]
        _require_outputs(file, manifest, self.outputs)

    def run(self, batch: Array) -> dict[str, Array]:
        return dict(zip(self.outputs, self.session.run(None, {self.input: batch})))


class OpenVinoEngine(Engine):
    """OpenVINO's intermediate representation, on the CPU."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        openvino = _import("openvino", "openvino")
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        # Left alone, OpenVINO computes in bfloat16 where the processor can.
        half = manifest["precision"] in ("float16", "bfloat16")
        settings["INFERENCE_PRECISION_HINT"] = "bf16" if half else "f32"
        try:
            self.model = openvino.Core().compile_model(str(file), "CPU", settings)
        except Exception as error:  # RuntimeError for all there is
            raise _unreadable(file, "openvino", error) from error
        self.runtime = "openvino {}".format(openvino.__version__.split("-")[0])
        self.request = self.model.create_infer_request()
        self.outputs = [one.get_any_name() for one in self.model.outputs]
        _require_outputs(file, manifest, self.outputs)

    def run(self, batch: Array) -> dict[str, Array]:
        results = self.request.infer([batch], share_inputs=True)
        return {name: results[index] for index, name in enumerate(self.outputs)}


class LiteRtEngine(Engine):
    """A LiteRT (TensorFlow Lite) model, on the CPU."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        package, litert = _import_litert()
        try:
            self.interpreter = litert.Interpreter(
                model_path=str(file), num_threads=threads or os.cpu_count()
            )
            self.interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise _unreadable(file, package, error) from error
        self.runtime = f"{package} {_version(package)}"
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.outputs = self.interpreter.get_output_details()
        self.has_nms = len(manifest["outputs"]) == 1
        if not self.has_nms:
            _require_outputs(file, manifest, [one["name"] for one in self.outputs])

    def run(self, batch: Array) -> dict[str, Array]:
        self.interpreter.set_tensor(self.input, batch)
        self.interpreter.invoke()
        values = [
            _dequantize(self.interpreter.get_tensor(one["index"]), *one["quantization"])
            for one in self.outputs
        ]
        if self.has_nms:
            return {"detections": _join_detections(*values)}
        return {one["name"]: value for one, value in zip(self.outputs, values)}


def _import_litert() -> tuple[str, Any]:
    """Import LiteRT's interpreter, which was tflite-runtime's before Python 3.10."""
    try:
        return "tflite_runtime", importlib.import_module("tflite_runtime.interpreter")
    except ImportError:
        return "ai-edge-litert", _import("ai_edge_litert.interpreter", "litert", "ai-edge-litert")


def _dequantize(values: Array, scale: float, zero_point: int) -> Array:
    """Turn whole numbers into what they stand for; a scale of 0 marks float32."""
    if not scale:
        return values
    real: Array = (values.astype(np.float32) - zero_point) * np.float32(scale)
    return real


def _join_detections(boxes: Array, labels: Array, scores: Array, count: Array) -> Array:
    """Join the outputs of TFLite_Detection_PostProcess: x1, y1, x2, y2, score, label."""
    rows = np.concatenate(
        [np.clip(boxes[..., (1, 0, 3, 2)], 0, 1), scores[..., None], labels[..., None]], axis=2
    )
    rows[:, int(count[0]) :] = (0, 0, 0, 0, 0, -1)
    joined: Array = rows
    return joined


class NcnnEngine(Engine):
    """An ncnn model, on the CPU; it takes one image at a time."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        self.ncnn = _import("ncnn", "ncnn")
        self.net = self.ncnn.Net()
        self.net.opt.num_threads = threads or os.cpu_count() or 1
        half = manifest["precision"] == "float16"
        for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
            setattr(self.net.opt, option, half)
        weights = file.with_suffix(".bin")
        for path, load in ((file, self.net.load_param), (weights, self.net.load_model)):
            if load(str(path)) != 0:
                raise _unreadable(path, "ncnn", ValueError("see above"))
        self.runtime = f"ncnn {self.ncnn.__version__}"
        self.input = manifest["input"]["name"]
        self.outputs = [one["name"] for one in manifest["outputs"]]
        _require_outputs(file, manifest, list(self.net.output_names()))

    def run(self, batch: Array) -> dict[str, Array]:
        results: dict[str, list[Array]] = {name: [] for name in self.outputs}
        for image in batch:
            extractor = self.net.create_extractor()
            extractor.input(self.input, self.ncnn.Mat(np.ascontiguousarray(image)).clone())
            for name in self.outputs:
                code, values = extractor.extract(name)
                if code != 0:
                    raise RuntimeError(f"ncnn failed to compute {name} (code {code})")
                results[name].append(np.array(values))
        return {name: np.stack(values) for name, values in results.items()}


class ExecuTorchEngine(Engine):
    """An ExecuTorch program; its Python runtime takes PyTorch's tensors."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls itself experimental
            runtime = _import("executorch.runtime", "executorch", "executorch").Runtime.get()
            library = importlib.import_module("executorch.extension.pybindings.portable_lib")
        self.torch = importlib.import_module("torch")
        if threads and threads != library._threadpool_get_thread_count():
            library._unsafe_reset_threadpool(threads)  # of the whole process
        try:
            # The program reads its weights from these bytes.
            self.program = runtime.load_program(file.read_bytes())
            self.method = self.program.load_method("forward")
        except Exception as error:  # RuntimeError for all there is
            raise _unreadable(file, "executorch", error) from error
        self.runtime = f"executorch {_version('executorch')}"
        self.outputs = [one["name"] for one in manifest["outputs"]]

    def run(self, batch: Array) -> dict[str, Array]:
        results = self.method.execute([self.torch.from_numpy(batch)])
        return {name: one.numpy() for name, one in zip(self.outputs, results)}


class RknnEngine(Engine):
    """A Rockchip model on the board, as rknn-toolkit-lite2 documents it."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        del threads  # the NPU has none
        self.lite = _import("rknnlite.api", "", "rknn-toolkit-lite2").RKNNLite()
        for call in (lambda: self.lite.load_rknn(str(file)), self.lite.init_runtime):
            code = call()
            if code != 0:
                raise _unreadable(file, "rknnlite", ValueError(f"code {code}"))
        self.runtime = f"rknn-toolkit-lite2 {_version('rknn-toolkit-lite2')}"
        self.outputs = [one["name"] for one in manifest["outputs"]]

    def run(self, batch: Array) -> dict[str, Array]:
        return dict(zip(self.outputs, self.lite.inference(inputs=[batch])))


ENGINES = {
    "onnx": OnnxRuntimeEngine,
    "openvino": OpenVinoEngine,
    "litert": LiteRtEngine,
    # The model before it was compiled: the NPU computes the same numbers.
    "vela": LiteRtEngine,
    "ncnn": NcnnEngine,
    "executorch": ExecuTorchEngine,
}
# Of runtimes that are on their boards only.
BOARD_ENGINES = {"rknn": RknnEngine}


def open_engine(file: Path, manifest: Mapping[str, Any], threads: int = 0) -> Engine:
    """Open a model file in the runtime of its format; 0 threads: as many as the runtime likes."""
    engine = ENGINES.get(manifest["format"], BOARD_ENGINES.get(manifest["format"]))
    if engine is None:
        raise ModelFileError(
            "{}: models of format {!r} cannot be run here; there are {}".format(
                file, manifest["format"], ", ".join(sorted(ENGINES))
            )
        )
    return engine(file, manifest, threads)


def _import(package: str, extra: str, distribution: str = "") -> Any:
    """Import a runtime; ModelFileError, with what to install, where it is missing."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ModelFileError(
            f"{package} is needed to run this model ({error}); install it with: pip install "
            f"{distribution or package}"
            + (f", or pip install 'singleshot[{extra}]'" if extra else "")
        ) from error


def _version(distribution: str) -> str:
    """Look up the version of an installed package; "?" where it is installed by another name."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "?"


def _unreadable(file: Path, runtime: str, error: Exception) -> ModelFileError:
    """Make the error of a file that the runtime does not take."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    reason = lines[-1].strip() if lines else type(error).__name__
    return ModelFileError(
        f"{file}: {runtime} cannot read this model ({reason}); copy it again, or export again"
    )


def _require_outputs(file: Path, manifest: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise ModelFileError for a model without the outputs that the manifest names."""
    missing = [one["name"] for one in manifest["outputs"] if one["name"] not in names]
    if missing:
        raise ModelFileError(
            "{}: has no output {}, only {}; it is not the model that {} describes".format(
                file, ", ".join(missing), ", ".join(names), MANIFEST
            )
        )


# ---------------------------------------------------------------- the whole


class Native:
    """The library `singleshot_decoder` of `example/`: the same in C++, many times as fast."""

    VERSION = 1
    RESIZES = ("antialias", "opencv", "torchvision", "tensorflow1", "darknet")

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        """Load the library at `path`, for outputs as `manifest` describes them."""
        try:
            self.library = ctypes.CDLL(str(path.resolve()))
            version = self.library.singleshot_version()
        except (OSError, AttributeError) as error:
            raise ModelFileError(f"{path}: cannot be loaded ({error}); build it again") from error
        if version != self.VERSION:
            raise ModelFileError(
                f"{path}: of version {version}, not {self.VERSION}; build it again or delete it"
            )
        self.manifest = manifest
        self.priors = np.ascontiguousarray(priors_of(manifest))
        self.rows = np.zeros((manifest["postprocessing"]["keep"], 6), np.float32)
        for name in ("singleshot_new_decoder", "singleshot_new_resizer"):
            getattr(self.library, name).restype = ctypes.c_void_p
        self.decoder = ctypes.c_void_p(self._new_decoder())
        self.resizers: dict[tuple[int, ...], ctypes.c_void_p] = {}
        if not self.decoder:
            raise ModelFileError(f"{path}: refuses the numbers of {MANIFEST}; export again")

    @classmethod
    def find(cls, folder: Path, manifest: Mapping[str, Any]) -> Native | None:
        """Load the library in a folder or its `build`; None where it was not built."""
        if manifest["contract"] == "detections":
            return None
        for place in (folder, folder / "build", folder / "example" / "build"):
            for name in ("libsingleshot_decoder.so", "libsingleshot_decoder.dylib"):
                if (place / name).is_file():
                    return cls(place / name, manifest)
        return None

    def _new_decoder(self) -> int | None:
        """Make a decoder with the numbers of the manifest."""
        decoding, post = self.manifest["decoding"], self.manifest["postprocessing"]
        kinds = ("hard", "distance", "soft", "weighted")
        whole = [
            decoding["scores"] == "sigmoid",
            decoding["num_columns"],
            decoding["first_column"],
            len(self.manifest["class_names"]),
            post["top_k"],
            post["keep"],
            post["clip_before_nms"],
            kinds.index(post["nms"]),
        ]
        fractions = [*decoding["offset_scales"], post["score_threshold"], post["iou_threshold"]]
        fractions.append(post["soft_sigma"])
        levels = [(*level["grid"], level["priors_per_cell"]) for level in decoding["levels"]]
        made: int | None = self.library.singleshot_new_decoder(
            np.array(whole, np.int32).ctypes,
            np.array(fractions, np.float32).ctypes,
            np.array(levels, np.int32).ctypes,
            len(levels),
            self.priors.ctypes,
        )
        return made

    def __del__(self) -> None:
        """Release what the library allocated."""
        for resizer in getattr(self, "resizers", {}).values():
            self.library.singleshot_delete_resizer(resizer)
        if getattr(self, "decoder", None):
            self.library.singleshot_delete_decoder(self.decoder)

    def set_score_threshold(self, score_threshold: float) -> None:
        """Set the score threshold, where it is not that of the manifest."""
        self.library.singleshot_set_score_threshold(self.decoder, ctypes.c_float(score_threshold))

    def resize(self, image: Array, size: tuple[int, int], how: str) -> Array:
        """Resize as `resize` does."""
        key = (image.shape[0], image.shape[1], *size, self.RESIZES.index(how))
        if key not in self.resizers:
            resizer = self.library.singleshot_new_resizer(*key)
            if not resizer:
                raise ModelFileError(f"an image of {image.shape[1]} x {image.shape[0]} pixels")
            self.resizers[key] = ctypes.c_void_p(resizer)
        whole = how in ("antialias", "opencv")
        result = np.empty((*size, 3), np.uint8 if whole else np.float32)
        call = getattr(self.library, "singleshot_resize_to_" + ("bytes" if whole else "floats"))
        call(self.resizers[key], np.ascontiguousarray(image).ctypes, result.ctypes)
        return result

    def select(self, outputs: Mapping[str, Array], image: int, size: tuple[int, int]) -> Array:
        """Turn outputs of an image of (height, width) into rows x1, y1, x2, y2, score, label."""
        kinds: dict[str, list[Array]] = {}
        layouts: dict[str, list[bool]] = {}
        for one in self.manifest["outputs"]:
            values = np.ascontiguousarray(outputs[one["name"]][image], np.float32)
            kinds.setdefault(one["kind"], []).append(values)
            layouts.setdefault(one["kind"], []).append(one["layout"] == "NHWC")
        height, width = size
        if self.manifest["contract"] == "raw":
            pairs = np.array([layouts["offsets"], layouts["logits"]], np.int32).T
            count = self.library.singleshot_decode(
                self.decoder,
                *(_pointers(kinds[kind]).ctypes for kind in ("offsets", "logits")),
                np.ascontiguousarray(pairs).ctypes,
                len(pairs),
                width,
                height,
                self.rows.ctypes,
            )
        else:
            scores = kinds["scores"][0]
            first = next(
                one["first_column"] for one in self.manifest["outputs"] if one["kind"] == "scores"
            )
            boxes, columns = kinds["boxes"][0], scores.shape[1]
            count = self.library.singleshot_select(
                self.decoder,
                *(boxes.ctypes, scores.ctypes, columns, first, width, height, self.rows.ctypes),
            )
        detections: Array = self.rows[:count].copy()
        return detections


def _pointers(arrays: Sequence[Array]) -> Array:
    """Return the addresses of arrays."""
    return np.array([array.ctypes.data for array in arrays], np.uintp)


class Model:
    """A model with its manifest, from an image to detections."""

    def __init__(
        self, manifest: Mapping[str, Any], engine: Engine, native: Native | None = None
    ) -> None:
        """`native` is used in place of NumPy where it was built."""
        self.manifest, self.engine, self.native = manifest, engine, native
        self.class_names: list[str] = list(manifest["class_names"])
        self.priors = priors_of(manifest)

    def detect(self, image: Array) -> Array:
        """Detect objects in an RGB image (h, w, 3): rows x1, y1, x2, y2, score, label.

        Boxes are in pixels of the image, best first; scores as low as `score_threshold` in
        `model.json`.
        """
        outputs = run(self.engine, self.preprocess(image))
        return self.postprocess(outputs, (image.shape[0], image.shape[1]))

    def preprocess(self, image: Array) -> Array:
        """Turn an image into a batch as the model takes it."""
        description = self.manifest["input"]
        size = (int(description["size"][0]), int(description["size"][1]))
        resized = (self.native.resize if self.native else resize)(
            _require_image(image), size, description["resize"]
        )
        return to_input([resized] * max(description["batch"], 1), description)

    def postprocess(self, outputs: Mapping[str, Array], size: tuple[int, int]) -> Array:
        """Turn outputs into the detections in the first image, of this (height, width)."""
        if self.native:
            return self.native.select(outputs, 0, size)
        found = candidates(outputs, self.manifest, 0, self.priors)
        sides = np.array([size[1], size[0]] * 2, np.float32)
        if self.manifest["contract"] != "detections":
            found = select(found, self.manifest["postprocessing"], size[::-1])
        columns = [found.boxes * sides, found.scores[:, None], found.labels[:, None]]
        return np.concatenate(columns, axis=1, dtype=np.float32)


def load(path: str, threads: int = 0) -> Model:
    """Load the model of a folder, or a model file with its manifest beside it."""
    place = Path(path)
    manifest = read_manifest(place)
    folder = place if place.is_dir() else place.parent
    file = check_files(folder, manifest)
    engine = open_engine(file, manifest, threads)
    return Model(manifest, engine, Native.find(folder, manifest))


def run(engine: Engine, batch: Array) -> dict[str, Array]:
    """Run a model; ModelFileError where its runtime fails, as for an input of another shape."""
    try:
        return engine.run(batch)
    except Exception as error:  # each runtime has its own kinds
        reason = " ".join(str(error).split())
        raise ModelFileError(
            f"{engine.runtime} failed on an input of {batch.dtype} {batch.shape}: {reason}; the "
            f"model and {MANIFEST} may not belong together: export again"
        ) from error


def _require_image(image: Array, place: str = "the image") -> Array:
    """Raise ModelFileError for what is no RGB image of bytes."""
    is_image = image.ndim == 3 and image.shape[2] == 3 and image.size
    if image.dtype != np.uint8 or not is_image:
        raise ModelFileError(
            f"{place}: expected RGB, uint8 (height, width, 3); got {image.dtype} {image.shape}"
        )
    return image


def read_image(path: str) -> Array:
    """Read an image as uint8 RGB (h, w, 3): .npy and binary .ppm, others by Pillow or OpenCV."""
    if path.endswith(".npy"):
        try:
            with Path(path).open("rb") as file:
                array = np.lib.format.read_array(file)
        except (ValueError, EOFError) as error:
            raise ModelFileError(f"{path}: no array of numbers ({error})") from error
        return _require_image(array, path)
    if path.endswith(".ppm"):
        return _read_ppm(path)
    try:
        from PIL import Image, ImageOps
    except ImportError:
        return _read_by_opencv(path)
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return np.asarray((image if upright is None else upright).convert("RGB"))
    except FileNotFoundError:
        raise
    except Exception as error:  # OSError, SyntaxError and DecompressionBombError, by its format
        raise ModelFileError(f"{path}: Pillow cannot read it ({error})") from error


def _read_by_opencv(path: str) -> Array:
    """Read an image by OpenCV, which turns it upright."""
    try:
        import cv2
    except ImportError as error:
        raise ModelFileError(
            f"{path}: Pillow is needed to read it; install it with: pip install pillow, or give a "
            ".npy or .ppm file"
        ) from error
    image: Array | None = cv2.imread(path, cv2.IMREAD_COLOR)
    if image is None:
        raise ModelFileError(f"{path}: missing, or no image that OpenCV can read")
    return np.ascontiguousarray(image[:, :, ::-1])


def _read_ppm(path: str) -> Array:
    """Read a binary PPM (P6) of 8 bits."""
    content = Path(path).read_bytes()
    found = re.match(rb"P6(?:\s|#.*\n)+(\d+)(?:\s|#.*\n)+(\d+)(?:\s|#.*\n)+255\s", content)
    if found is None:
        raise ModelFileError(f"{path}: not a binary PPM (P6) of 8 bits")
    width, height = int(found[1]), int(found[2])
    pixels = content[found.end() :]
    if len(pixels) < width * height * 3:
        raise ModelFileError(f"{path}: cut short: {width} x {height} pixels need more bytes")
    image = np.frombuffer(pixels, np.uint8, count=width * height * 3)
    return _require_image(image.reshape(height, width, 3), path)


def thresholds_of(manifest: Mapping[str, Any], given: float | None) -> Array:
    """Return the score threshold of each class: the given one, the chosen ones or the default."""
    names = manifest["class_names"]
    if given is not None:
        return np.full(len(names), given)
    chosen = (manifest.get("operating_point") or {}).get("score_thresholds", {})
    found = [chosen.get(name) for name in names]
    return np.array([DEFAULT_SCORE_THRESHOLD if one is None else one for one in found])


def draw(image: Array, found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Save an image with its detections as boxes. Needs Pillow."""
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise ModelFileError("--draw needs Pillow; install it with: pip install pillow") from error
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    for one in found:
        x1, y1, x2, y2 = one["box"]
        pen.rectangle((x1, y1, x2, y2), outline=(255, 60, 0), width=2)
        text = "{} {:.2f}".format(one["label"], one["score"])
        place = (x1 + 3, max(y1 - 13, 0))
        pen.rectangle(pen.textbbox(place, text), fill=(255, 60, 0))
        pen.text(place, text, fill=(255, 255, 255))
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path.with_suffix(".png"))


def main(words: Sequence[str] | None = None) -> int:
    """Print the detections in images; the exit code is 2 for what cannot be read."""
    here = str(Path(__file__).resolve().parent)
    parser = argparse.ArgumentParser(description="Detect objects with the model of this folder.")
    parser.add_argument("images", nargs="+", help="image files; .npy and .ppm need no Pillow")
    parser.add_argument("--model", default=here, help="folder or file of the model")
    parser.add_argument("--score-threshold", type=float, help="lowest score of a detection")
    parser.add_argument("--threads", type=int, default=0, help="threads of the runtime")
    parser.add_argument("--draw", metavar="DIR", help="save the images with boxes in this folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(words)
    document = []
    try:
        model = load(options.model, options.threads)
        lowest = thresholds_of(model.manifest, options.score_threshold)
        for path in options.images:
            image = read_image(path)
            document.append(_describe(path, image, model, lowest))
            if options.draw:
                draw(image, document[-1]["detections"], Path(options.draw, Path(path).name))
            if not options.json:
                _print(document[-1])
    except (ModelFileError, OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except (KeyError, IndexError, TypeError, ZeroDivisionError) as error:
        # Keys and numbers that nothing else in the folder contradicts.
        reason = f"{type(error).__name__}: {error}"
        print(f"Error: {MANIFEST} is damaged ({reason}); copy it again", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(document, indent=2))
    return 0


def _describe(path: str, image: Array, model: Model, lowest: Array) -> dict[str, Any]:
    """Detect in an image, and describe it as `singleshot predict --json` does."""
    rows = model.detect(image)
    rows = rows[rows[:, 4] >= lowest[rows[:, 5].astype(int)]]
    found = [
        {
            "box": [round(float(corner), 3) for corner in row[:4]],
            "label": model.class_names[int(row[5])],
            "score": round(float(row[4]), 6),
        }
        for row in rows
    ]
    height, width = image.shape[:2]
    return {"image": path, "width": width, "height": height, "detections": found}


def _print(described: Mapping[str, Any]) -> None:
    """Print the detections in one image, one a line."""
    found = described["detections"]
    print(
        f"{described['image']} ({described['width']} x {described['height']}): {len(found)} found"
    )
    for one in found:
        corners = " ".join(f"{corner:.1f}" for corner in one["box"])
        print(f"  {one['label']:20} {one['score']:.2f}  {corners}")


if __name__ == "__main__":
    sys.exit(main())
