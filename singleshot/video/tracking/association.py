"""Assign detections to tracks: the pairs with the lowest total cost."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int

from singleshot.boxes.geometry import pairwise_iou
from singleshot.errors import SingleshotError

__all__ = ["assign", "overlap"]


def overlap(
    boxes: Float[np.ndarray, "n 4"],
    labels: Int[np.ndarray, " n"],
    others: Float[np.ndarray, "m 4"],
    other_labels: Int[np.ndarray, " m"],
) -> Float[np.ndarray, "n m"]:
    """Compute the IoU of every box with every other of its class; 0 where classes differ."""
    iou: np.ndarray = pairwise_iou(torch.from_numpy(boxes), torch.from_numpy(others)).numpy()
    return np.where(labels[:, None] == other_labels, iou, 0.0)


def assign(
    iou: Float[np.ndarray, "tracks detections"], lowest: float
) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    """Pair rows with columns by the highest sum of IoU; pairs below `lowest` are left apart.

    IoU below `lowest` counts as that much: a pair that is to be left apart is no reason to prefer
    one assignment of the others (lapjv's `cost_limit`, which the authors use, does the same).
    """
    try:
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise SingleshotError(
            f"scipy is needed to track ({error}); install it with: pip install 'singleshot[track]'"
        ) from error
    rows, columns = linear_sum_assignment(np.maximum(iou, lowest), maximize=True)
    close = iou[rows, columns] >= lowest
    return rows[close], columns[close]
