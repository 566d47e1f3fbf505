"""From the outputs of a model to boxes with scores, of those above the score threshold alone."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Candidates", "candidates", "priors_of"]

# exp(x) of a wild prediction would overflow.
LARGEST_LOG_RATIO = math.log(1000 / 16)


class Candidates(NamedTuple):
    """Scored boxes of one image."""

    boxes: np.ndarray  # (n, 4): corners as fractions of the image
    scores: np.ndarray  # (n,)
    labels: np.ndarray  # (n,)
    priors: np.ndarray | None = None  # (n,): indices; None after NMS within the model


def priors_of(manifest: Mapping[str, Any]) -> np.ndarray:
    """Decode the table of priors (n, 4): centre x, centre y, width, height as fractions."""
    content = base64.b64decode(manifest["decoding"]["priors_float32_base64"])
    return np.frombuffer(content, "<f4").reshape(-1, 4)


def candidates(
    outputs: Mapping[str, np.ndarray], manifest: Mapping[str, Any], image: int, priors: np.ndarray
) -> Candidates:
    """Return boxes, scores and labels above the score threshold, of one image of the batch.

    By label, then by prior. Of the contract `detections` NMS is done.
    """
    threshold = manifest["postprocessing"]["score_threshold"]
    num_classes = len(manifest["class_names"])
    by_kind: dict[str, list[np.ndarray]] = {}
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
        return Candidates(by_kind["boxes"][0][prior], scores, label, prior)
    offsets = _offsets_at(prior, by_kind["offsets"], manifest)
    boxes = _decode(offsets, priors[prior], manifest["decoding"]["offset_scales"])
    return Candidates(boxes, scores, label, prior)


def _above(table: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, column and value of the numbers above a threshold."""
    flat = table.reshape(-1)
    index = np.flatnonzero(flat > np.float32(threshold))
    row, column = np.divmod(index, table.shape[1])
    return row, column, flat[index]


def _scores_of_levels(
    logits: Sequence[np.ndarray], manifest: Mapping[str, Any], threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
    table: np.ndarray, layout: str, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
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
    table: np.ndarray, layout: str, first: int, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Compute the softmax of priors alone of which a class comes close to the background."""
    axis = 1 if layout == "NCHW" else 2
    gap = np.float32(math.log(threshold) - 1e-3) if threshold > 0 else -np.inf
    background, classes = np.split(table, [first], axis=axis)
    one, other = np.nonzero(classes.max(axis=axis) >= background.max(axis=axis) + gap)
    logits = table[one, :, other] if layout == "NCHW" else table[one, other]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    row, column, scores = _above(powers / powers.sum(axis=1, keepdims=True), threshold)
    return one[row], other[row], column, scores


def _offsets_at(
    prior: np.ndarray, offsets: Sequence[np.ndarray], manifest: Mapping[str, Any]
) -> np.ndarray:
    """Return the offsets (n, 4) of some priors."""
    layouts = [one["layout"] for one in manifest["outputs"] if one["kind"] == "offsets"]
    rows = [
        (values.transpose(1, 2, 0) if layout == "NCHW" else values).reshape(-1, 4)
        for values, layout in zip(offsets, layouts)
    ]
    found: np.ndarray = np.concatenate(rows)[prior]
    return found


def _decode(offsets: np.ndarray, priors: np.ndarray, scales: Sequence[float]) -> np.ndarray:
    """Decode offsets from priors into boxes: corners as fractions of the image."""
    with np.errstate(invalid="ignore", over="ignore"):
        centres = offsets[:, :2] * np.float32(scales[0]) * priors[:, 2:] + priors[:, :2]
        largest = np.float32(LARGEST_LOG_RATIO)
        ratios = np.exp(np.minimum(offsets[:, 2:] * np.float32(scales[1]), largest))
        halves = ratios * priors[:, 2:] / np.float32(2)
        return np.concatenate([centres - halves, centres + halves], axis=1)
