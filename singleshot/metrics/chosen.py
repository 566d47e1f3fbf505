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
from singleshot.metrics.curves import count_truths, curves_per_class
from singleshot.metrics.hits import find_hits
from singleshot.metrics.operating_points import DEFAULT_SCORE_THRESHOLD
from singleshot.metrics.thresholds import (
    Choice,
    Quantity,
    Rule,
    choose_threshold,
    choose_without_truths,
)
from singleshot.structures import Detections

__all__ = ["OperatingPoint", "choose_thresholds"]

ENOUGH_DETECTIONS = 20  # with fewer, one more false positive moves precision by 5 % or more


@dataclass(frozen=True)
class OperatingPoint:
    """The score thresholds of all classes, by which rule and on which images they were chosen.

    A class whose rule cannot be reached, or cannot be judged on those images, is kept from
    `DEFAULT_SCORE_THRESHOLD`, as if nothing had been chosen: a false positive too many is seen and
    mended, a class that is never reported is not missed by anyone.
    """

    rule: Rule
    iou_threshold: float  # of a hit, when it was chosen
    data: str  # the description of those images
    per_class: Mapping[str, Choice]  # in the order of the labels

    @property
    def score_thresholds(self) -> Float64[np.ndarray, " num_classes"]:
        """Score from which to keep each class."""
        chosen = (choice.score_threshold for choice in self.per_class.values())
        return np.array([DEFAULT_SCORE_THRESHOLD if score is None else score for score in chosen])

    def keep(self, found: Detections) -> Detections:
        """Those detections of one image that reach the threshold of their class."""
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
        kept, few, unfound, failed = [], [], [], []
        for name, choice in self.per_class.items():
            if choice.score_threshold is not None:
                kept.append(f"{name} from {choice.score_threshold:.2f}")
                if choice.num_kept is not None and choice.num_kept < ENOUGH_DETECTIONS:
                    few.append(f"{name} rests on {counted(choice.num_kept)}")
            elif self.rule.quantity is Quantity.ALARMS and choice.num_kept == 0:
                unfound.append(name)
            else:
                failed.append(f"{name} ({nearest(choice, self.rule.quantity)})")
        if kept:
            yield f"keeping {some_of(kept)}: chosen for {self.rule.sentence} on {self.data}"
        if few:
            yield f"few to choose by: {some_of(few)}; {ENOUGH_DETECTIONS} or more make it surer"
        if unfound:
            yield (
                f"nothing was found of {some_of(unfound)} on {self.data}, so no false positive was "
                f"made: kept from {DEFAULT_SCORE_THRESHOLD}"
            )
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
        truths: of all images searched.
        class_names: the detector's.
        rule: what each threshold must reach (`Rule.parse`).
        iou_threshold: of a hit.
        ignore: truths that reward and punish nobody (`Protocol.ignores`).
        data: what a person calls these images.
    """
    hits = find_hits(predictions, truths, ignore=ignore, iou_threshold=iou_threshold)
    num_truths = count_truths(truths, len(class_names), ignore=ignore)
    curves = curves_per_class(predictions, hits, num_truths)
    judged = predictions[~hits.ignored]
    chosen = [
        choose_without_truths(judged.scores[judged.labels == label], truths.num_images, rule)
        if curve is None
        else choose_threshold(curve, truths.num_images, rule)
        for label, curve in enumerate(curves)
    ]
    return OperatingPoint(
        rule=rule,
        iou_threshold=iou_threshold,
        data=data,
        per_class=dict(zip(class_names, chosen, strict=True)),
    )


def nearest(choice: Choice, quantity: Quantity) -> str:
    """How near a class without a threshold came to its rule."""
    alarms = choice.false_positives_per_image
    if choice.recall is None and alarms is not None:
        return f"{alarms:.2f} at best, with no objects there"
    if choice.recall is None:
        return "no objects there"
    if choice.precision is None:
        return "nothing found there"
    if not choice.recall:
        return "no hit at all"
    best = {
        Quantity.PRECISION: choice.precision,
        Quantity.RECALL: choice.recall,
        Quantity.ALARMS: choice.false_positives_per_image,
    }
    return f"{best[quantity]:.2f} at best"


def counted(num: int) -> str:
    """`1 detection`, `2 detections`."""
    return "1 detection" if num == 1 else f"{num} detections"
