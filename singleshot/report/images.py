"""Images in a page, with what is annotated and what was found as marks that the page draws.

Boxes are not painted into the image: which detections are shown, and what becomes of them,
follows the thresholds that a reader chooses.
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

from singleshot.metrics import Predictions, Protocol, Truths, find_overlaps, hits_at

__all__ = ["Box", "Exhibit", "FoundMark", "TruthMark", "data_uri", "exhibit", "scaled"]

LONGEST_SIDE = 640  # pixels; twelve images are then some 600 kilobytes
MOST_FOUND = 300  # detections of one image; nobody can tell more apart
JPEG_QUALITY = 78

HIT, FALSE_POSITIVE, FORGIVEN = "h", "f", "n"  # what becomes of a detection, in one letter
FATES = {HIT: "hit", FALSE_POSITIVE: "false", FORGIVEN: "forgiven"}
Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels of the image in the page


class TruthMark(NamedTuple):
    """An annotated object or region."""

    box: Box
    label: int
    counts: bool  # as a miss if nothing hits it
    remark: str  # "difficult", "region" or nothing


class FoundMark(NamedTuple):
    """A detection."""

    box: Box
    label: int
    score: float
    truth: int  # of the image's truths, the one it looks at; -1 for none
    iou: float
    fates: str  # a letter for each IoU threshold


@dataclass(frozen=True)
class Exhibit:
    """An image to show."""

    name: str
    uri: str
    width: int
    height: int
    truths: tuple[TruthMark, ...]
    found: tuple[FoundMark, ...]  # surest last, so that they are drawn over the others
    left_out: int  # detections, beyond the surest

    def fates_of_found(
        self, score_thresholds: Float64[np.ndarray, " num_classes"], iou_index: int
    ) -> list[str]:
        """`hit`, `false` or `forgiven`, and `off` for what is not sure enough."""
        return [
            FATES[mark.fates[iou_index]] if mark.score >= score_thresholds[mark.label] else "off"
            for mark in self.found
        ]

    def fates_of_truths(
        self, score_thresholds: Float64[np.ndarray, " num_classes"], iou_index: int
    ) -> list[str]:
        """`annotated` where something hits it, else `missed`; `uncounted` where that is no miss."""
        fates = self.fates_of_found(score_thresholds, iou_index)
        hit = {mark.truth for mark, fate in zip(self.found, fates, strict=True) if fate == "hit"}
        return [
            ("annotated" if index in hit else "missed") if mark.counts else "uncounted"
            for index, mark in enumerate(self.truths)
        ]


def exhibit(
    path: str,
    image: UInt8[Tensor, "3 h w"],
    predictions: Predictions,
    truths: Truths,
    *,
    protocol: Protocol,
    iou_thresholds: Sequence[float],
) -> Exhibit:
    """Shrink an image and mark what is in it; predictions and truths are its own alone."""
    factor = min(1.0, LONGEST_SIDE / max(image.shape[-2:]))
    smaller = scaled(image, factor)
    found = found_marks(predictions, truths, factor, protocol, iou_thresholds)
    return Exhibit(
        name=PurePath(path).name,
        uri=data_uri(smaller),
        width=smaller.shape[-1],
        height=smaller.shape[-2],
        truths=truth_marks(truths, factor, protocol),
        found=found,
        left_out=len(predictions) - len(found),
    )


def truth_marks(truths: Truths, factor: float, protocol: Protocol) -> tuple[TruthMark, ...]:
    """The annotations of an image, in their order."""
    columns = (truths.boxes, truths.labels, truths.difficult, truths.crowd)
    return tuple(
        TruthMark(
            box=rounded(box * factor),
            label=int(label),
            counts=not ignored,
            remark="region" if crowd else "difficult" if difficult else "",
        )
        for box, label, difficult, crowd, ignored in zip(
            *columns, protocol.ignores(truths), strict=True
        )
    )


def found_marks(
    predictions: Predictions,
    truths: Truths,
    factor: float,
    protocol: Protocol,
    iou_thresholds: Sequence[float],
) -> tuple[FoundMark, ...]:
    """The surest detections of an image with their fates, the surest last."""
    overlaps = find_overlaps(predictions, truths)
    ignore = protocol.ignores(truths)
    fates = np.full((len(iou_thresholds), len(predictions)), FALSE_POSITIVE)
    for row, iou_threshold in zip(fates, iou_thresholds, strict=True):
        hits = hits_at(overlaps, predictions.scores, ignore=ignore, iou_threshold=iou_threshold)
        row[hits.ignored], row[hits.hit] = FORGIVEN, HIT
    surest = np.argsort(-predictions.scores, kind="stable")[:MOST_FOUND]
    return tuple(
        FoundMark(
            box=rounded(predictions.boxes[index] * factor),
            label=int(predictions.labels[index]),
            score=float(predictions.scores[index]),
            truth=int(overlaps.truths[index]),
            iou=float(overlaps.ious[index]),
            fates="".join(fates[:, index]),
        )
        for index in surest[::-1]
    )


def rounded(box: Float64[np.ndarray, " 4"]) -> Box:
    """To a tenth of a pixel."""
    x1, y1, x2, y2 = (round(float(side), 1) for side in box)
    return x1, y1, x2, y2


def scaled(image: UInt8[Tensor, "3 h w"], factor: float) -> UInt8[Tensor, "3 _h _w"]:
    """A smaller image, at least one pixel high and wide."""
    height, width = image.shape[-2:]
    size = [max(1, round(height * factor)), max(1, round(width * factor))]
    smaller: Tensor = transforms.resize(image, size, antialias=True)
    return smaller


def data_uri(image: UInt8[Tensor, "3 h w"]) -> str:
    """An image within the page itself."""
    buffer = io.BytesIO()
    encoded = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    encoded.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
