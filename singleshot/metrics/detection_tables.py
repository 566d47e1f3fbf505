"""All predictions and all ground truth of a data set, end to end in a few arrays.

Half a million detections in an object each would cost more than evaluating them. Numbers are
float64: scores and boxes in files are decimals, and rounding them could make or break a tie.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import count, islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from singleshot.errors import DataError
from singleshot.structures import Detections, Truth

__all__ = ["Predictions", "Truths"]

IMAGES_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Predictions:
    """Detections in all images, in any order; equal scores rank in the order given."""

    images: Int64[np.ndarray, " n"]  # which image: its index in the data set
    boxes: Float64[np.ndarray, "n 4"]
    scores: Float64[np.ndarray, " n"]
    labels: Int64[np.ndarray, " n"]

    @classmethod
    def of(cls, found: Iterable[Detections], images: Iterable[int] | None = None) -> Predictions:
        """Collect the detections of each image, in order, and release each once it is copied.

        Args:
            found: detections in one image after the other.
            images: the index of each of these images in the data set; left out, 0, 1, 2 …
        """
        counts, boxes, scores, labels = collect(found)
        numbers = np.fromiter(count() if images is None else images, np.int64, len(counts))
        return cls(
            boxes=_join(boxes, np.float64),
            scores=_join(scores, np.float64),
            labels=_join(labels, np.int64),
            images=np.repeat(numbers, counts),
        )

    @classmethod
    def merge(cls, parts: Iterable[Predictions]) -> Predictions:
        """Join the detections in separate parts of the images, whatever the order of the parts.

        The result is by image, within an image in the order given, as from one process that
        takes all images in order.

        Raises:
            DataError: two parts hold detections in the same image, which would count twice.
        """
        parts = [cls.of([]), *parts]
        _refuse_common_images(parts)
        order = np.argsort(np.concatenate([part.images for part in parts]), kind="stable")
        columns = ([getattr(part, field.name) for part in parts] for field in fields(cls))
        return cls(*(np.concatenate(column)[order] for column in columns))

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, keep: np.ndarray | slice) -> Predictions:
        return Predictions(*(getattr(self, field.name)[keep] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Truths:
    """Ground truth of all images."""

    images: Int64[np.ndarray, " m"]  # which image: its index in the data set
    boxes: Float64[np.ndarray, "m 4"]
    labels: Int64[np.ndarray, " m"]
    difficult: Bool[np.ndarray, " m"]
    crowd: Bool[np.ndarray, " m"]
    areas: Float64[np.ndarray, " m"]
    num_images: int  # images without any object count as well

    @classmethod
    def of(cls, truths: Truth, ends: Tensor) -> Truths:
        """Convert the truths of all images, end to end, and the end of those of each image."""
        counts = torch.diff(ends, prepend=ends.new_zeros(1)).numpy()
        return cls(
            images=np.repeat(np.arange(len(counts), dtype=np.int64), counts),
            boxes=truths.boxes.double().numpy(),
            labels=truths.labels.long().numpy(),
            difficult=truths.difficult.numpy(),
            crowd=truths.crowd.numpy(),
            areas=truths.areas.double().numpy(),
            num_images=len(counts),
        )

    def __len__(self) -> int:
        return len(self.labels)


class _Columns(NamedTuple):
    """Detections of many images as a few long arrays, in the precision of the detector."""

    counts: list[int]  # of the detections of each image
    boxes: list[np.ndarray]
    scores: list[np.ndarray]
    labels: list[np.ndarray]


def collect(found: Iterable[Detections]) -> _Columns:
    """Copy detections a hundred images at a time: an object each would outweigh them."""
    nothing = np.zeros(0, np.float32)
    columns = _Columns([], [nothing.reshape(0, 4)], [nothing], [nothing.astype(np.int64)])
    waiting = iter(found)
    while some := list(islice(waiting, IMAGES_AT_ONCE)):
        columns.counts.extend(len(one) for one in some)
        columns.boxes.append(torch.cat([one.boxes for one in some]).cpu().numpy())
        columns.scores.append(torch.cat([one.scores for one in some]).cpu().numpy())
        columns.labels.append(torch.cat([one.labels for one in some]).cpu().numpy())
    return columns


def _join(blocks: list[np.ndarray], dtype: type[np.float64 | np.int64]) -> np.ndarray:
    """Concatenate blocks and release them, to free memory for the next column."""
    whole = np.concatenate(blocks, dtype=dtype)
    blocks.clear()
    return whole


def _refuse_common_images(parts: Sequence[Predictions]) -> None:
    """Raise DataError if two parts hold detections in the same image."""
    images, times = np.unique(
        np.concatenate([np.unique(part.images) for part in parts]), return_counts=True
    )
    common = images[times > 1]
    if len(common):
        raise DataError(
            f"image {common[0]} is in more than one of the parts to merge (as are "
            f"{len(common) - 1} others): its detections would count twice; give each part once"
        )
