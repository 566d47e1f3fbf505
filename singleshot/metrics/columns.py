"""Everything found and everything annotated in many pictures, end to end in a few arrays.

Half a million detections in an object each would cost more than judging them. Numbers are float64:
other people's scores and boxes come as decimals, and rounding them could make or break a tie.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from singleshot.structures import Detections, Truth

__all__ = ["Predictions", "Truths"]


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a detector found in all pictures, in any order; equal scores rank in the order given."""

    images: Int64[np.ndarray, " n"]  # which picture: its index in the data set
    boxes: Float64[np.ndarray, "n 4"]
    scores: Float64[np.ndarray, " n"]
    labels: Int64[np.ndarray, " n"]

    @classmethod
    def of(cls, found: Iterable[Detections]) -> Predictions:
        """Gather the detections of each picture, in order."""
        found = [detections.to(torch.device("cpu")) for detections in found]
        counts = [len(detections) for detections in found]
        empty = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
        return cls(
            images=np.repeat(np.arange(len(found), dtype=np.int64), counts),
            boxes=torch.cat([empty.boxes, *(one.boxes for one in found)]).double().numpy(),
            scores=torch.cat([empty.scores, *(one.scores for one in found)]).double().numpy(),
            labels=torch.cat([empty.labels, *(one.labels for one in found)]).long().numpy(),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, keep: np.ndarray | slice) -> Predictions:
        return Predictions(*(getattr(self, field.name)[keep] for field in fields(self)))

    def of_image(self, image: int) -> Detections:
        """What was found in one picture, best first."""
        here = np.flatnonzero(self.images == image)
        here = here[np.argsort(-self.scores[here], kind="stable")]
        return Detections(
            boxes=torch.from_numpy(self.boxes[here]).float(),
            scores=torch.from_numpy(self.scores[here]).float(),
            labels=torch.from_numpy(self.labels[here]),
        )


@dataclass(frozen=True, slots=True)
class Truths:
    """The annotations of all pictures."""

    images: Int64[np.ndarray, " m"]  # which picture: its index in the data set
    boxes: Float64[np.ndarray, "m 4"]
    labels: Int64[np.ndarray, " m"]
    difficult: Bool[np.ndarray, " m"]
    crowd: Bool[np.ndarray, " m"]
    areas: Float64[np.ndarray, " m"]
    num_images: int  # pictures without any object count as well

    @classmethod
    def of(cls, truths: Truth, ends: Tensor) -> Truths:
        """Take the truths of all pictures end to end, and where those of each picture end."""
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
