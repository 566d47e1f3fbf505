"""Example images of a page, with annotations and detections as marks that the page draws.

Boxes are not painted into the image: which detections are shown, and whether they are true or false
positives, follows the thresholds that a reader chooses.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from singleshot.metrics import Predictions, Protocol, Truths, find_overlaps, true_positives_at

__all__ = [
    "Box",
    "DetectionMark",
    "ExampleImage",
    "TruthMark",
    "data_uri",
    "make_example",
    "scale_image",
]

LONGEST_SIDE = 640  # pixels; twelve images are then some 600 kilobytes
MOST_DETECTIONS = 300  # of one image; more cannot be distinguished
JPEG_QUALITY = 78

# Outcome of a detection in one letter, and the CSS class of its mark.
TRUE_POSITIVE, FALSE_POSITIVE, IGNORED = "t", "f", "i"
STYLES = {TRUE_POSITIVE: "tp", FALSE_POSITIVE: "fp", IGNORED: "ignored"}
Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels of the image in the page


class TruthMark(NamedTuple):
    """An annotated object or region."""

    box: Box
    label: int
    counts: bool  # as a false negative without a detection
    remark: str  # "difficult", "region" or nothing


class DetectionMark(NamedTuple):
    """A detection."""

    box: Box
    label: int
    score: float
    truth: int  # of the image's truths, the one it overlaps most; -1 for none
    iou: float
    outcomes: str  # a letter for each IoU threshold


@dataclass(frozen=True)
class ExampleImage:
    """An image of a page with its marks."""

    name: str
    uri: str
    width: int
    height: int
    truths: tuple[TruthMark, ...]
    detections: tuple[DetectionMark, ...]  # surest last, so that they are drawn over the others
    left_out: int  # detections, beyond the surest

    def outcomes_of_detections(
        self, score_thresholds: Float64[np.ndarray, " num_classes"], iou_index: int
    ) -> list[str]:
        """List the style of each detection: tp, fp or ignored, `off` below its threshold."""
        return [
            STYLES[mark.outcomes[iou_index]]
            if mark.score >= score_thresholds[mark.label]
            else "off"
            for mark in self.detections
        ]

    def outcomes_of_truths(
        self, score_thresholds: Float64[np.ndarray, " num_classes"], iou_index: int
    ) -> list[str]:
        """List the style of each truth: annotated (detected), fn or uncounted."""
        outcomes = self.outcomes_of_detections(score_thresholds, iou_index)
        detected = {
            mark.truth
            for mark, style in zip(self.detections, outcomes, strict=True)
            if style == "tp"
        }
        return [
            ("annotated" if index in detected else "fn") if mark.counts else "uncounted"
            for index, mark in enumerate(self.truths)
        ]


def make_example(
    path: str,
    image: UInt8[Tensor, "3 h w"],
    predictions: Predictions,
    truths: Truths,
    *,
    protocol: Protocol,
    iou_thresholds: Sequence[float],
) -> ExampleImage:
    """Shrink an image and mark what is in it; predictions and truths are its own alone."""
    factor = min(1.0, LONGEST_SIDE / max(image.shape[-2:]))
    smaller = scale_image(image, factor)
    detections = detection_marks(predictions, truths, factor, protocol, iou_thresholds)
    return ExampleImage(
        name=PurePath(path).name,
        uri=data_uri(smaller),
        width=smaller.shape[-1],
        height=smaller.shape[-2],
        truths=truth_marks(truths, factor, protocol),
        detections=detections,
        left_out=len(predictions) - len(detections),
    )


def truth_marks(truths: Truths, factor: float, protocol: Protocol) -> tuple[TruthMark, ...]:
    """Make the marks of the annotations of an image, in their order."""
    columns = (truths.boxes, truths.labels, truths.difficult, truths.crowd)
    return tuple(
        TruthMark(
            box=round_box(box * factor),
            label=int(label),
            counts=not ignored,
            remark="region" if crowd else "difficult" if difficult else "",
        )
        for box, label, difficult, crowd, ignored in zip(
            *columns, protocol.ignores(truths), strict=True
        )
    )


def detection_marks(
    predictions: Predictions,
    truths: Truths,
    factor: float,
    protocol: Protocol,
    iou_thresholds: Sequence[float],
) -> tuple[DetectionMark, ...]:
    """Make the marks of the surest detections of an image, the surest last."""
    overlaps = find_overlaps(predictions, truths)
    ignore = protocol.ignores(truths)
    letters = np.full((len(iou_thresholds), len(predictions)), FALSE_POSITIVE)
    for row, iou_threshold in zip(letters, iou_thresholds, strict=True):
        outcomes = true_positives_at(
            overlaps, predictions.scores, ignore=ignore, iou_threshold=iou_threshold
        )
        row[outcomes.ignored], row[outcomes.true_positive] = IGNORED, TRUE_POSITIVE
    surest = np.argsort(-predictions.scores, kind="stable")[:MOST_DETECTIONS]
    return tuple(
        DetectionMark(
            box=round_box(predictions.boxes[index] * factor),
            label=int(predictions.labels[index]),
            score=float(predictions.scores[index]),
            truth=int(overlaps.truths[index]),
            iou=float(overlaps.ious[index]),
            outcomes="".join(letters[:, index]),
        )
        for index in surest[::-1]
    )


def round_box(box: Float64[np.ndarray, " 4"]) -> Box:
    """Round a box to a tenth of a pixel."""
    x1, y1, x2, y2 = (round(float(side), 1) for side in box)
    return x1, y1, x2, y2


def scale_image(image: UInt8[Tensor, "3 h w"], factor: float) -> UInt8[Tensor, "3 _h _w"]:
    """Resize an image, to at least one pixel high and wide."""
    height, width = image.shape[-2:]
    size = [max(1, round(height * factor)), max(1, round(width * factor))]
    smaller: Tensor = transforms.resize(image, size, antialias=True)
    return smaller


def data_uri(image: UInt8[Tensor, "3 h w"]) -> str:
    """Encode an image as JPEG in a data URI."""
    buffer = io.BytesIO()
    encoded = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    encoded.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
