"""Choose which detections to keep, by the score from which each class counts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from singleshot.metrics import DEFAULT_SCORE_THRESHOLD
from singleshot.structures import Detections, Detector

__all__ = ["class_thresholds", "detection_filter"]


def detection_filter(
    detector: Detector,
    score_threshold: float | None,
    on_message: Callable[[str], None] | None = None,
) -> Callable[[Detections], Detections]:
    """Choose what to keep: from the given score, the thresholds of the run, or the default."""
    thresholds = class_thresholds(detector, score_threshold, on_message)
    return lambda detections: detections[
        detections.scores >= thresholds.to(detections.scores)[detections.labels]
    ]


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
