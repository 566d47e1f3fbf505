"""Confidence intervals of the mean average precision of one detector: the bootstrap over images.

With few images the number is uncertain: other images of the same kind would give another. Images
are drawn from those at hand, with replacement, and the interval is that of `intervals`, widened
where they are few. It is about the choice of images alone: not about the seed of a training, and
not about images of another kind.

Draws are as many as take about two seconds at most, counted by detections and truths and not by
the clock, so that the same detections have the same interval on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from singleshot.metrics.bootstrap import draw_mean_precisions
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.intervals import (
    FEWEST_IMAGES,
    AccuracyEstimate,
    estimate_accuracy,
    few_images_note,
)
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.weighted_average_precision import (
    ClassOutcomes,
    outcomes_per_class,
)

__all__ = ["AccuracyConfidence", "estimate_confidence", "num_draws"]

CONFIDENCE = 0.95
SEED = 0
MOST_DRAWS = 1000
FEWEST_DRAWS = 100  # a standard error of so many is off by 7 %
# Detections, and true positives at each IoU threshold, x draws: two seconds at 25 ns each.
WORK = 80_000_000
TRUE_POSITIVES = 5  # of a truth, at COCO's ten thresholds together
UNDEFINED = AccuracyEstimate(None, None, None)


@dataclass(frozen=True)
class AccuracyConfidence:
    """Mean average precision with its confidence interval, and how that was drawn."""

    images: int  # with truths that count
    resamples: int  # 0 where there are too few images, or too many detections
    seed: int
    confidence: float
    mean_average_precision: AccuracyEstimate
    AP50: AccuracyEstimate | None  # with the COCO protocol

    def note(self) -> str | None:
        """State why intervals are missing or rough; None where neither is the case."""
        if self.images >= FEWEST_IMAGES and not self.resamples:
            return (
                "no confidence interval, which would take long for so many detections; `compare` "
                "computes it"
            )
        return few_images_note(self.images)

    def sentence(self) -> str:
        """State each average precision with its interval; "" where none is defined."""
        names = {"AP": self.mean_average_precision, "AP50": self.AP50}
        parts = [
            f"{name} {one.value:.3f} ({one.low:.3f} to {one.high:.3f})"
            for name, one in names.items()
            if one is not None and one.value is not None and one.low is not None
        ]
        if not parts:
            return ""
        return (
            f"{', '.join(parts)}: in brackets, {self.confidence:.0%} confidence intervals by the "
            f"choice of {self.images} images"
        )

    def to_json(self) -> dict[str, Any]:
        """Convert to plain numbers: the ends of each interval, null where undefined."""
        estimates = {"mean_average_precision": self.mean_average_precision, "AP50": self.AP50}
        return {
            "confidence": self.confidence,
            "images": self.images,
            "resamples": self.resamples,
            "seed": self.seed,
            **{
                name: {"low": one.low, "high": one.high}
                for name, one in estimates.items()
                if one is not None
            },
        }


def estimate_confidence(
    predictions: Predictions,
    truths: Truths,
    num_classes: int,
    *,
    protocol: Protocol,
    iou_threshold: float = 0.5,
) -> AccuracyConfidence:
    """Compute the confidence interval of mean average precision, with COCO also that of AP50.

    A class without truths in a draw is left out of that draw's mean.
    """
    images = len(np.unique(truths.images[~protocol.ignores(truths)]))
    resamples = num_draws(len(predictions), len(truths)) if images >= FEWEST_IMAGES else 0
    is_coco = protocol is Protocol.COCO
    estimates = [UNDEFINED] * (1 + is_coco)
    if resamples:
        outcomes = outcomes_per_class(
            predictions, truths, num_classes, protocol=protocol, iou_threshold=iou_threshold
        )
        measured = [outcomes, *([at_first_threshold(outcomes)] if is_coco else [])]
        means = draw_mean_precisions(
            measured, truths, protocol=protocol, resamples=resamples, seed=SEED
        )
        estimates = [estimate_accuracy(own, CONFIDENCE, images=images) for own in means]
    return AccuracyConfidence(
        images=images,
        resamples=resamples,
        seed=SEED,
        confidence=CONFIDENCE,
        mean_average_precision=estimates[0],
        AP50=estimates[1] if is_coco else None,
    )


def num_draws(num_detections: int, num_truths: int) -> int:
    """Return how many draws take two seconds at most; 0 for too few to be of use."""
    draws = WORK // max(num_detections + TRUE_POSITIVES * num_truths, 1)
    return 0 if draws < FEWEST_DRAWS else min(draws, MOST_DRAWS)


def at_first_threshold(outcomes: Sequence[ClassOutcomes]) -> list[ClassOutcomes]:
    """Keep the first IoU threshold alone."""
    return [
        replace(one, true_positive=one.true_positive[:, :1], ignored=one.ignored[:, :1])
        for one in outcomes
    ]
