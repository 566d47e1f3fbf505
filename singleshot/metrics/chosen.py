"""The score thresholds a detector is to be run with, one a class, and why these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64

from singleshot.errors import some_of
from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.curves import curves_per_class
from singleshot.metrics.hits import find_hits
from singleshot.metrics.thresholds import Choice, Quantity, Rule, choose_each
from singleshot.structures import Detections

__all__ = ["DEFAULT_SCORE_THRESHOLD", "OperatingPoint", "choose_thresholds"]

DEFAULT_SCORE_THRESHOLD = 0.3  # where nothing was chosen


@dataclass(frozen=True)
class OperatingPoint:
    """The score thresholds of all classes, by which rule and on which pictures they were chosen.

    A class whose rule cannot be reached, or without truths on those pictures, is kept from
    `DEFAULT_SCORE_THRESHOLD`, as if nothing had been chosen: a false alarm too many is seen and
    mended, a class that is never reported is not missed by anyone.
    """

    rule: Rule
    iou_threshold: float  # of a hit, when it was chosen
    data: str  # the description of those pictures
    per_class: Mapping[str, Choice]  # in the order of the labels

    @property
    def score_thresholds(self) -> Float64[np.ndarray, " num_classes"]:
        """Score from which to keep each class."""
        chosen = (choice.score_threshold for choice in self.per_class.values())
        return np.array([DEFAULT_SCORE_THRESHOLD if score is None else score for score in chosen])

    def keep(self, found: Detections) -> Detections:
        """Those detections of one picture that reach the threshold of their class."""
        thresholds = torch.from_numpy(self.score_thresholds).to(found.scores)
        return found[found.scores >= thresholds[found.labels]]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers under the names of the fields; the rule as it is typed."""
        return {
            "rule": str(self.rule),
            "iou_threshold": self.iou_threshold,
            "data": self.data,
            "per_class": {name: asdict(choice) for name, choice in self.per_class.items()},
        }

    def sentences(self) -> Iterator[str]:
        """For a person: what is kept from where, by which rule, and where that was out of reach."""
        kept, failed = [], []
        for name, choice in self.per_class.items():
            if choice.score_threshold is None:
                failed.append(f"{name} ({nearest(choice, self.rule.quantity)})")
            else:
                kept.append(f"{name} from {choice.score_threshold:.2f}")
        if kept:
            yield f"keeping {some_of(kept)}: chosen for {self.rule.sentence} on {self.data}"
        if failed:
            yield (
                f"{self.rule.sentence} is out of reach on {self.data} for {some_of(failed)}: kept "
                f"from {DEFAULT_SCORE_THRESHOLD}, as if nothing had been chosen"
            )


def choose_thresholds(
    predictions: Predictions,
    truths: Truths,
    class_names: Sequence[str],
    *,
    rule: Rule,
    iou_threshold: float,
    ignore: Bool[np.ndarray, " m"],
    data: str,
) -> OperatingPoint:
    """Choose a threshold for each class; hits are found by VOC's rule.

    Args:
        predictions: labels index `class_names`, images those of `truths`.
        truths: of all pictures searched.
        class_names: the detector's.
        rule: what each threshold must reach (`Rule.parse`).
        iou_threshold: of a hit.
        ignore: truths that reward and punish nobody (`Protocol.ignores`).
        data: what a person calls these pictures.
    """
    hits = find_hits(predictions, truths, ignore=ignore, iou_threshold=iou_threshold)
    num_truths = np.bincount(truths.labels[~ignore], minlength=len(class_names)).tolist()
    curves = curves_per_class(predictions, hits, num_truths)
    chosen = choose_each(curves, truths.num_images, rule)
    return OperatingPoint(
        rule=rule,
        iou_threshold=iou_threshold,
        data=data,
        per_class=dict(zip(class_names, chosen, strict=True)),
    )


def nearest(choice: Choice, quantity: Quantity) -> str:
    """How near a class without a threshold came to its rule."""
    if choice.recall is None:
        return "no objects there"
    if choice.precision is None:
        return "nothing found there"
    if not choice.recall:
        return "no hit at all"
    best = {
        Quantity.PRECISION: choice.precision,
        Quantity.RECALL: choice.recall,
        Quantity.ALARMS: choice.false_alarms_per_picture,
    }
    return f"{best[quantity]:.2f} at best"
