"""Choose which detections to keep, by the score from which each class counts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from singleshot.metrics import DEFAULT_SCORE_THRESHOLD
from singleshot.structures import Detections, Detector

__all__ = ["above_thresholds", "class_thresholds"]


def class_thresholds(
    detector: Detector,
    score_threshold: float | None,
    on_message: Callable[[str], None] | None = None,
) -> Float[Tensor, " num_classes"]:
    """Choose the lowest score of each class: as given, as chosen for the run, or the default."""
    score_thresholds = getattr(detector, "score_thresholds", None)
    if score_threshold is None and score_thresholds is not None:
        chosen = score_thresholds(on_message)
        if chosen is not None:
            return torch.from_numpy(chosen.score_thresholds)
    lowest = DEFAULT_SCORE_THRESHOLD if score_threshold is None else score_threshold
    return torch.full((len(detector.class_names),), lowest, dtype=torch.float64)


def above_thresholds(
    detections: Detections, thresholds: Float[Tensor, " num_classes"]
) -> Bool[Tensor, " n"]:
    """Mark the detections whose score is the threshold of their class or more."""
    return detections.scores >= thresholds.to(detections.scores)[detections.labels]
