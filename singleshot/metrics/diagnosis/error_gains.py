"""What mean average precision would gain if one kind of error did not happen.

TIDE §2.3 (Bolya et al. 2020), by the rules of its code (tidecv, errors/main_errors.py): each kind
is fixed alone, all else staying as it is, so the gains do not add up to what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Int64

from singleshot.metrics.average_precision import mean_of_defined
from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.curves import count_truths, curves_per_class
from singleshot.metrics.diagnosis.error_types import Errors, ErrorType, not_hit
from singleshot.metrics.hits import Hits
from singleshot.metrics.protocol import Protocol

__all__ = ["ErrorGain", "ErrorTotal", "error_gains"]


class ErrorTotal(StrEnum):
    """All errors of one side together (TIDE §2.3, "special errors")."""

    FALSE_POSITIVES = "false positives"  # every detection that is no hit
    MISSES = "misses"  # every truth that is not hit: more than the type MISSED


@dataclass(frozen=True, slots=True)
class ErrorGain:
    """How many errors of one kind there are, and what fixing all of them would gain."""

    error: ErrorType | ErrorTotal
    count: int  # detections; for MISSED and MISSES, truths
    gain: float | None  # mean AP with these errors fixed - mean AP, 0-1; None without truths


@dataclass(frozen=True, slots=True)
class Judged:
    """Detections with their fate, and how many truths of each class count."""

    predictions: Predictions
    hits: Hits
    num_truths: Int64[np.ndarray, " num_classes"]

    def areas(self, protocol: Protocol) -> list[float | None]:
        """Average precision of each class; None without truths."""
        curves = curves_per_class(self.predictions, self.hits, self.num_truths.tolist())
        return protocol.average_precisions(curves)

    def without(self, wrong: Bool[np.ndarray, " n"]) -> Judged:
        """As if these detections had not been made."""
        return replace(self, hits=replace(self.hits, ignored=self.hits.ignored | wrong))

    def without_truths(self, labels: Int64[np.ndarray, " k"]) -> Judged:
        """As if truths of these classes had not been annotated."""
        gone = np.bincount(labels, minlength=len(self.num_truths))
        return replace(self, num_truths=self.num_truths - gone)


def error_gains(
    predictions: Predictions,
    truths: Truths,
    hits: Hits,
    errors: Errors,
    *,
    ignore: Bool[np.ndarray, " m"],
    num_classes: int,
    protocol: Protocol,
) -> tuple[ErrorGain, ...]:
    """Gain of fixing each type of error, in the order of `ErrorType`, then each `ErrorTotal`.

    class          the surest error about a truth that was not hit becomes a hit of the truth's
                   class; the others vanish (all of them, if a surer localization error is about
                   the same truth)
    localization   the same, in its own class
    both, duplicate, background, false positives   they vanish
    missed, misses                              the truths vanish

    AP is the protocol's area at the IoU threshold of `hits` and `errors`, its mean over classes
    with truths. Meant for all detections, since AP is about every score threshold.

    A class all of whose truths vanished has AP 0, by TIDE's code. So a class of which nothing is
    found gains nothing when its misses are fixed: it had AP 0 and keeps it, for want of anything to
    find. What finding it would be worth is the AP it lacks.
    """
    num_truths = np.array(count_truths(truths, num_classes, ignore=ignore), np.int64)
    judged = Judged(predictions, hits, num_truths)
    base = judged.areas(protocol)
    return tuple(
        ErrorGain(error, count, gain(fixed.areas(protocol), base))
        for error, count, fixed in each_fixed(judged, truths, errors, not_hit(hits, ignore=ignore))
    )


def each_fixed(
    judged: Judged, truths: Truths, errors: Errors, missed: Bool[np.ndarray, " m"]
) -> Iterator[tuple[ErrorType | ErrorTotal, int, Judged]]:
    """For each kind of error, how many there are and what is left when they are fixed."""
    right = surest_repairs(judged.predictions, judged.hits, errors)
    for error in ErrorType:
        match error:
            case ErrorType.CLASS | ErrorType.LOCALIZATION:
                fixed = repair(judged, errors, right, error, truths)
            case ErrorType.MISSED:
                fixed = judged.without_truths(truths.labels[errors.missed])
            case _:
                fixed = judged.without(errors.are(error))
        yield error, errors.count(error), fixed
    false_positive = ~judged.hits.hit & ~judged.hits.ignored
    yield ErrorTotal.FALSE_POSITIVES, int(false_positive.sum()), judged.without(false_positive)
    all_found = judged.without_truths(truths.labels[missed])
    yield ErrorTotal.MISSES, int(missed.sum()), all_found


def surest_repairs(predictions: Predictions, hits: Hits, errors: Errors) -> Bool[np.ndarray, " n"]:
    """The surest class or localization error about each truth that was not hit."""
    candidates = np.flatnonzero(errors.are(ErrorType.CLASS) | errors.are(ErrorType.LOCALIZATION))
    free = ~np.isin(errors.truths[candidates], hits.truths[hits.hit])
    best_first = candidates[free]
    best_first = best_first[np.argsort(-predictions.scores[best_first], kind="stable")]
    _, first = np.unique(errors.truths[best_first], return_index=True)
    surest = np.zeros(len(predictions), np.bool_)
    surest[best_first[first]] = True
    return surest


def repair(
    judged: Judged,
    errors: Errors,
    surest: Bool[np.ndarray, " n"],
    error: ErrorType,
    truths: Truths,
) -> Judged:
    """As if the surest of these errors were hits of their truths, and the others not made."""
    wrong = errors.are(error)
    right = wrong & surest
    labels, hit = judged.predictions.labels.copy(), judged.hits.truths.copy()
    labels[right] = truths.labels[errors.truths[right]]
    hit[right] = errors.truths[right]
    return replace(
        judged,
        predictions=replace(judged.predictions, labels=labels),
        hits=Hits(hit, judged.hits.ignored | (wrong & ~right)),
    )


def gain(fixed: Sequence[float | None], base: Sequence[float | None]) -> float | None:
    """Rise of the mean over classes that had truths; None without any."""
    return mean_of_defined(
        [
            None if before is None else (after or 0.0) - before
            for after, before in zip(fixed, base, strict=True)
        ]
    )
