"""Choosing a score threshold: what must be reached, and the best of the rest.

precision=0.95   at least this precision; of those, the most recall
recall=0.9       at least this recall; of those, the highest precision
alarms=0.1       at most so many false positives per image; of those, the most recall
f1               the highest F1

A threshold that keeps no hit serves nobody, and so reaches nothing. Of several thresholds that are
equally good, the highest is taken.

Where there are no objects to find, there is neither precision nor recall, but false positives there
are: at most so many can still be asked for, and the lowest score that keeps to it is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from jaxtyping import Float64

from singleshot.errors import SingleshotError
from singleshot.metrics.curves import Curve
from singleshot.metrics.operating_points import f1_scores, first_best

__all__ = ["Choice", "Quantity", "Rule", "choose_threshold", "choose_without_truths"]

Points = Float64[np.ndarray, " thresholds"]


class Quantity(StrEnum):
    """What a rule is about."""

    PRECISION = "precision"
    RECALL = "recall"
    ALARMS = "alarms"
    F1 = "f1"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a score threshold must reach."""

    quantity: Quantity
    limit: float | None = None  # for F1 there is none: it is to be as high as it can

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read `precision=0.95`, `recall=0.9`, `alarms=0.1` or `f1`; SingleshotError otherwise."""
        name, equals, value = text.partition("=")
        if name not in set(Quantity):
            raise SingleshotError(
                f"no rule {text!r} to choose a score threshold by; say precision=0.95, recall=0.9, "
                f"alarms=0.1 (false positives per image) or f1"
            )
        quantity = Quantity(name)
        if quantity is Quantity.F1:
            if equals:
                raise SingleshotError(f"{text}: the best F1 takes no value; say f1")
            return cls(quantity)
        return cls(quantity, limit_of(quantity, value, text))

    def __str__(self) -> str:
        """The text that it is parsed from."""
        return str(self.quantity) if self.limit is None else f"{self.quantity}={self.limit:.15g}"

    @property
    def sentence(self) -> str:
        """For a person."""
        match self.quantity:
            case Quantity.F1:
                return "the best F1"
            case Quantity.ALARMS:
                return f"at most {self.limit:.15g} false positives per image"
            case _:
                return f"{self.quantity} ≥ {self.limit:.15g}"


@dataclass(frozen=True, slots=True)
class Choice:
    """The threshold of one class, and what it reached on the images it was chosen on.

    Where no threshold does what the rule asks, there is none, and the numbers are those of the one
    that came closest. They are None where nothing was found, or the class has no truths.
    The counts are also None where nobody counted, as in one written by hand.
    """

    score_threshold: float | None  # keep detections with this score or more
    precision: float | None
    recall: float | None
    false_positives_per_image: float | None
    hits: int | None = None
    false_positives: int | None = None

    @property
    def num_kept(self) -> int | None:
        """Detections that the numbers rest on."""
        if self.hits is None or self.false_positives is None:
            return None
        return self.hits + self.false_positives


NO_TRUTHS = Choice(None, None, None, None)
NOTHING_FOUND = Choice(
    None, precision=None, recall=0.0, false_positives_per_image=0.0, hits=0, false_positives=0
)


def choose_threshold(curve: Curve, num_images: int, rule: Rule) -> Choice:
    """Choose on the curve of one class, a point for each detection.

    `num_images` are the images searched, with or without objects.
    """
    points = curve.at_thresholds()
    if not len(points):
        return NOTHING_FOUND
    num_kept, alarms = curve.counts_at_thresholds()
    demanded, preferred = wishes(points, alarms / num_images, rule.quantity)
    demanded = np.where(points.recall > 0, demanded, -np.inf)
    reached = demanded >= least(rule)
    among = reached if reached.any() else demanded == demanded.max()
    best = first_best(np.where(among, preferred, -np.inf))
    return Choice(
        score_threshold=float(points.scores[best]) if reached.any() else None,
        precision=float(points.precision[best]),
        recall=float(points.recall[best]),
        false_positives_per_image=float(alarms[best] / num_images),
        hits=int(num_kept[best] - alarms[best]),
        false_positives=int(alarms[best]),
    )


def choose_without_truths(scores: Float64[np.ndarray, " n"], num_images: int, rule: Rule) -> Choice:
    """Choose for a class that nothing is annotated of: all its detections are false positives."""
    if rule.quantity is not Quantity.ALARMS:
        return NO_TRUTHS
    if not len(scores):
        return replace(NOTHING_FOUND, recall=None)
    values, counts = np.unique(-scores, return_counts=True)
    alarms = counts.cumsum()
    num_within = int((-alarms / num_images >= least(rule)).sum())
    chosen = max(num_within - 1, 0)
    return Choice(
        score_threshold=float(-values[chosen]) if num_within else None,
        precision=None,
        recall=None,
        false_positives_per_image=float(alarms[chosen] / num_images),
        hits=0,
        false_positives=int(alarms[chosen]),
    )


def wishes(points: Curve, alarms: Points, quantity: Quantity) -> tuple[Points, Points]:
    """What a rule asks of each threshold, and what it then prefers; of both, more is better."""
    match quantity:
        case Quantity.PRECISION:
            return points.precision, points.recall
        case Quantity.RECALL:
            return points.recall, points.precision
        case Quantity.ALARMS:
            return -alarms, points.recall
        case Quantity.F1:
            f1 = f1_scores(points)
            return f1, f1


def least(rule: Rule) -> float:
    """How much of what is demanded is enough; of F1, anything."""
    if rule.limit is None:
        return 0.0
    return -rule.limit if rule.quantity is Quantity.ALARMS else rule.limit


def limit_of(quantity: Quantity, value: str, text: str) -> float:
    """The number after the equals sign."""
    try:
        limit = float(value)
    except ValueError:
        limit = math.nan
    if quantity is Quantity.ALARMS:
        if not 0 <= limit < math.inf:
            raise SingleshotError(f"{text}: expected a number of false positives per image, as 0.1")
    elif not 0 < limit <= 1:
        raise SingleshotError(f"{text}: expected a {quantity} above 0 and up to 1, as 0.95")
    return limit
