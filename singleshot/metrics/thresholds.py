"""Score thresholds chosen by a rule: a required quantity, and the best of the rest.

precision=0.95   at least this precision; of those, the most recall
recall=0.9       at least this recall; of those, the highest precision
fppi=0.1         at most so many false positives per image; of those, the most recall
f1               the highest F1

A threshold that keeps no true positive reaches nothing. Of several thresholds that are equally
good, the highest is taken.

Without objects there is neither precision nor recall, but there are false positives: `fppi` then
takes the lowest score that keeps to the limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64
from typing_extensions import assert_never

from singleshot.backports import StrEnum
from singleshot.errors import SingleshotError, some_of
from singleshot.metrics.curves import Curve, count_truths, curves_per_class
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.operating_points import DEFAULT_SCORE_THRESHOLD, f1_scores, first_best
from singleshot.metrics.voc_matching import find_true_positives
from singleshot.structures import Detections

__all__ = [
    "Choice",
    "OperatingPoint",
    "Quantity",
    "Rule",
    "choose_threshold",
    "choose_thresholds",
    "choose_without_truths",
]

Points = Float64[np.ndarray, " thresholds"]


class Quantity(StrEnum):
    """Quantity that a rule sets a limit for; FPPI is false positives per image."""

    PRECISION = "precision"
    RECALL = "recall"
    FPPI = "fppi"
    F1 = "f1"


@dataclass(frozen=True, slots=True)
class Rule:
    """Requirement on a score threshold, such as precision=0.95."""

    quantity: Quantity
    limit: float | None = None  # for F1 there is none: it is to be as high as it can

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read `precision=0.95`, `recall=0.9`, `fppi=0.1` or `f1`; SingleshotError otherwise."""
        name, equals, value = text.partition("=")
        if name not in set(Quantity):
            raise SingleshotError(
                f"no rule {text!r} to choose a score threshold by; write precision=0.95, "
                f"recall=0.9, fppi=0.1 (false positives per image) or f1"
            )
        quantity = Quantity(name)
        if quantity is Quantity.F1:
            if equals:
                raise SingleshotError(f"{text}: the best F1 takes no value; write f1")
            return cls(quantity)
        return cls(quantity, limit_of(quantity, value, text))

    def __str__(self) -> str:
        """Write the rule as it is parsed."""
        return str(self.quantity) if self.limit is None else f"{self.quantity}={self.limit:.15g}"

    @property
    def sentence(self) -> str:
        """Rule in words."""
        match self.quantity:
            case Quantity.F1:
                return "the best F1"
            case Quantity.FPPI:
                return f"at most {self.limit:.15g} false positives per image"
            case Quantity.PRECISION | Quantity.RECALL:
                return f"{self.quantity} ≥ {self.limit:.15g}"
            case _:
                assert_never(self.quantity)


@dataclass(frozen=True, slots=True)
class Choice:
    """Threshold of one class, and its numbers on the images it was chosen on.

    If no threshold meets the rule, it is None, and the numbers are those of the closest one. They
    are None without detections, or if the class has no truths. The counts are also None in a file
    written by hand.
    """

    score_threshold: float | None  # keep detections with this score or more
    precision: float | None
    recall: float | None
    false_positives_per_image: float | None
    true_positives: int | None = None
    false_positives: int | None = None

    @property
    def num_kept(self) -> int | None:
        """Detections that the numbers rest on."""
        if self.true_positives is None or self.false_positives is None:
            return None
        return self.true_positives + self.false_positives


NO_TRUTHS = Choice(None, None, None, None)
NOTHING_FOUND = Choice(
    None,
    precision=None,
    recall=0.0,
    false_positives_per_image=0.0,
    true_positives=0,
    false_positives=0,
)


def choose_threshold(curve: Curve, num_images: int, rule: Rule) -> Choice:
    """Choose on the curve of one class, a point for each detection.

    `num_images` are the images searched, with or without objects.
    """
    points = curve.at_thresholds()
    if not len(points):
        return NOTHING_FOUND
    num_kept, num_false = curve.counts_at_thresholds()
    demanded, preferred = requirement_and_preference(points, num_false / num_images, rule.quantity)
    demanded = np.where(points.recall > 0, demanded, -np.inf)
    reached = demanded >= least_required(rule)
    among = reached if reached.any() else demanded == demanded.max()
    best = first_best(np.where(among, preferred, -np.inf))
    return Choice(
        score_threshold=float(points.scores[best]) if reached.any() else None,
        precision=float(points.precision[best]),
        recall=float(points.recall[best]),
        false_positives_per_image=float(num_false[best] / num_images),
        true_positives=int(num_kept[best] - num_false[best]),
        false_positives=int(num_false[best]),
    )


def choose_without_truths(scores: Float64[np.ndarray, " n"], num_images: int, rule: Rule) -> Choice:
    """Choose for a class that nothing is annotated of: all its detections are false positives."""
    if rule.quantity is not Quantity.FPPI:
        return NO_TRUTHS
    if not len(scores):
        return replace(NOTHING_FOUND, recall=None)
    values, counts = np.unique(-scores, return_counts=True)
    num_false = counts.cumsum()
    num_within = int((-num_false / num_images >= least_required(rule)).sum())
    chosen = max(num_within - 1, 0)
    return Choice(
        score_threshold=float(-values[chosen]) if num_within else None,
        precision=None,
        recall=None,
        false_positives_per_image=float(num_false[chosen] / num_images),
        true_positives=0,
        false_positives=int(num_false[chosen]),
    )


def requirement_and_preference(
    points: Curve, fppi: Points, quantity: Quantity
) -> tuple[Points, Points]:
    """Compute the quantity a rule requires at each threshold, and the one to maximise then."""
    match quantity:
        case Quantity.PRECISION:
            return points.precision, points.recall
        case Quantity.RECALL:
            return points.recall, points.precision
        case Quantity.FPPI:
            return -fppi, points.recall
        case Quantity.F1:
            f1 = f1_scores(points)
            return f1, f1
        case _:
            assert_never(quantity)


def least_required(rule: Rule) -> float:
    """Return the lowest sufficient value of the required quantity; any F1 will do."""
    if rule.limit is None:
        return 0.0
    return -rule.limit if rule.quantity is Quantity.FPPI else rule.limit


def limit_of(quantity: Quantity, value: str, text: str) -> float:
    """Parse the number after the equals sign."""
    try:
        limit = float(value)
    except ValueError:
        limit = math.nan
    if quantity is Quantity.FPPI:
        if not 0 <= limit < math.inf:
            raise SingleshotError(f"{text}: expected a number of false positives per image, as 0.1")
    elif not 0 < limit <= 1:
        raise SingleshotError(f"{text}: expected a {quantity} above 0 and up to 1, as 0.95")
    return limit


ENOUGH_DETECTIONS = 20  # with fewer, one more false positive moves precision by 5 % or more


@dataclass(frozen=True)
class OperatingPoint:
    """Score thresholds of all classes, with the rule and the images they were chosen by.

    A class whose rule cannot be met, or not be evaluated on those images, is kept from
    `DEFAULT_SCORE_THRESHOLD`, as if nothing had been chosen: false positives are seen and fixed, a
    class that is never reported goes unnoticed.
    """

    rule: Rule
    iou_threshold: float  # of a true positive, when it was chosen
    data: str  # the description of those images
    per_class: Mapping[str, Choice]  # in the order of the labels

    @property
    def score_thresholds(self) -> Float64[np.ndarray, " num_classes"]:
        """Score threshold of each class, in the order of the labels."""
        chosen = (choice.score_threshold for choice in self.per_class.values())
        return np.array([DEFAULT_SCORE_THRESHOLD if score is None else score for score in chosen])

    def keep(self, detections: Detections) -> Detections:
        """Keep the detections of one image that reach the threshold of their class."""
        thresholds = torch.from_numpy(self.score_thresholds).to(detections.scores)
        return detections[detections.scores >= thresholds[detections.labels]]

    def to_json(self) -> dict[str, Any]:
        """Convert to plain numbers under the names of the fields; the rule as it is typed."""
        return {
            "rule": str(self.rule),
            "iou_threshold": self.iou_threshold,
            "data": self.data,
            "per_class": {name: asdict(choice) for name, choice in self.per_class.items()},
        }

    def sentences(self) -> Iterator[str]:
        """Describe the thresholds, and the classes that the rule is out of reach for."""
        kept, few, unfound, failed = [], [], [], []
        for name, choice in self.per_class.items():
            if choice.score_threshold is not None:
                kept.append(f"{name} from {choice.score_threshold:.2f}")
                if choice.num_kept is not None and choice.num_kept < ENOUGH_DETECTIONS:
                    few.append(f"{name} rests on {count_in_words(choice.num_kept)}")
            elif self.rule.quantity is Quantity.FPPI and choice.num_kept == 0:
                unfound.append(name)
            else:
                failed.append(f"{name} ({closest_in_words(choice, self.rule.quantity)})")
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
    """Choose a threshold for each class; true positives are found by VOC's rule.

    Args:
        predictions: labels index `class_names`, images those of `truths`.
        truths: of all images searched.
        class_names: the detector's.
        rule: requirement on each threshold (`Rule.parse`).
        iou_threshold: of a true positive.
        ignore: truths that do not count (`Protocol.ignores`).
        data: description of these images, for messages.
    """
    outcomes = find_true_positives(predictions, truths, ignore=ignore, iou_threshold=iou_threshold)
    num_truths = count_truths(truths, len(class_names), ignore=ignore)
    curves = curves_per_class(predictions, outcomes, num_truths)
    counted = predictions[~outcomes.ignored]
    chosen = [
        choose_without_truths(counted.scores[counted.labels == label], truths.num_images, rule)
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


def closest_in_words(choice: Choice, quantity: Quantity) -> str:
    """Describe how close a class without a threshold came to its rule."""
    fppi = choice.false_positives_per_image
    if choice.recall is None and fppi is not None:
        return f"{fppi:.2f} at best, with no objects there"
    if choice.recall is None:
        return "no objects there"
    if choice.precision is None:
        return "nothing detected there"
    if not choice.recall:
        return "no true positive at all"
    best = {
        Quantity.PRECISION: choice.precision,
        Quantity.RECALL: choice.recall,
        Quantity.FPPI: choice.false_positives_per_image,
    }
    return f"{best[quantity]:.2f} at best"


def count_in_words(num: int) -> str:
    """Write `1 detection` or `2 detections`."""
    return "1 detection" if num == 1 else f"{num} detections"
