"""Gain of mean average precision if one kind of error did not happen.

TIDE §2.3 (Bolya et al. 2020), by the rules of its code (tidecv, errors/main_errors.py): each kind
is fixed alone, all else staying as it is, so the gains do not add up to what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int64
from typing_extensions import assert_never

from singleshot.backports import StrEnum
from singleshot.metrics.average_precision import mean_of_defined
from singleshot.metrics.curves import count_truths, curves_per_class
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.diagnosis.error_types import Errors, ErrorType, find_undetected
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.voc_matching import Outcomes

__all__ = ["ErrorGain", "ErrorTotal", "error_gains"]


class ErrorTotal(StrEnum):
    """All errors of one side together (TIDE §2.3, "special errors")."""

    FALSE_POSITIVES = "false positives"  # every detection that is no true positive
    FALSE_NEGATIVES = "false negatives"  # every undetected truth: more than the type MISSED


@dataclass(frozen=True, slots=True)
class ErrorGain:
    """Number of errors of one kind, and the gain from fixing all of them."""

    error: ErrorType | ErrorTotal
    count: int  # detections; for MISSED and FALSE_NEGATIVES, truths
    gain: float | None  # mean AP with these errors fixed - mean AP, 0-1; None without truths


@dataclass(frozen=True, slots=True)
class _Evaluated:
    """Detections with their outcomes, and the number of truths of each class that count."""

    predictions: Predictions
    outcomes: Outcomes
    num_truths: Int64[np.ndarray, " num_classes"]

    def areas(self, protocol: Protocol) -> list[float | None]:
        """Compute average precision of each class; None without truths."""
        curves = curves_per_class(self.predictions, self.outcomes, self.num_truths.tolist())
        return protocol.average_precisions(curves)

    def without(self, wrong: Bool[np.ndarray, " n"]) -> _Evaluated:
        """Ignore these detections."""
        return replace(
            self,
            outcomes=replace(self.outcomes, ignored=self.outcomes.ignored | wrong),
        )

    def without_truths(self, labels: Int64[np.ndarray, " k"]) -> _Evaluated:
        """Leave out truths of these classes."""
        gone = np.bincount(labels, minlength=len(self.num_truths))
        return replace(self, num_truths=self.num_truths - gone)


def error_gains(
    predictions: Predictions,
    truths: Truths,
    outcomes: Outcomes,
    errors: Errors,
    *,
    ignore: Bool[np.ndarray, " m"],
    num_classes: int,
    protocol: Protocol,
) -> tuple[ErrorGain, ...]:
    """Compute the gain of fixing each type of error, then each total.

    class          the surest error about an undetected truth becomes a true positive of the truth's
                   class; the others vanish (all of them, if a surer localization error is about
                   the same truth)
    localization   the same, in its own class
    both, duplicate, background, false positives   they vanish
    missed, false negatives                        the truths vanish

    AP is the protocol's area at the IoU threshold of `outcomes` and `errors`, its mean over classes
    with truths. Meant for all detections, since AP is about every score threshold.

    A class all of whose truths vanished has AP 0, by TIDE's code. So a class of which nothing is
    detected gains nothing when its false negatives are fixed: it had AP 0 and keeps it, as no truth
    is left. Detecting it would gain the AP that it lacks.
    """
    num_truths = np.array(count_truths(truths, num_classes, ignore=ignore), np.int64)
    evaluated = _Evaluated(predictions, outcomes, num_truths)
    base = evaluated.areas(protocol)
    return tuple(
        ErrorGain(error, count, gain(fixed.areas(protocol), base))
        for error, count, fixed in each_fixed(
            evaluated, truths, errors, find_undetected(outcomes, ignore=ignore)
        )
    )


def each_fixed(
    evaluated: _Evaluated, truths: Truths, errors: Errors, missed: Bool[np.ndarray, " m"]
) -> Iterator[tuple[ErrorType | ErrorTotal, int, _Evaluated]]:
    """Yield each kind of error with its count and the detections after fixing it."""
    right = surest_repairs(evaluated.predictions, evaluated.outcomes, errors)
    for error in ErrorType:
        match error:
            case ErrorType.CLASS | ErrorType.LOCALIZATION:
                fixed = repair(evaluated, errors, right, error, truths)
            case ErrorType.MISSED:
                fixed = evaluated.without_truths(truths.labels[errors.missed])
            case ErrorType.BOTH | ErrorType.DUPLICATE | ErrorType.BACKGROUND:
                fixed = evaluated.without(errors.are(error))
            case _:
                assert_never(error)
        yield error, errors.count(error), fixed
    false_positive = ~evaluated.outcomes.true_positive & ~evaluated.outcomes.ignored
    yield ErrorTotal.FALSE_POSITIVES, int(false_positive.sum()), evaluated.without(false_positive)
    all_found = evaluated.without_truths(truths.labels[missed])
    yield ErrorTotal.FALSE_NEGATIVES, int(missed.sum()), all_found


def surest_repairs(
    predictions: Predictions, outcomes: Outcomes, errors: Errors
) -> Bool[np.ndarray, " n"]:
    """Mark the surest class or localization error about each undetected truth."""
    candidates = np.flatnonzero(errors.are(ErrorType.CLASS) | errors.are(ErrorType.LOCALIZATION))
    free = ~np.isin(errors.truths[candidates], outcomes.truths[outcomes.true_positive])
    best_first = candidates[free]
    best_first = best_first[np.argsort(-predictions.scores[best_first], kind="stable")]
    _, first = np.unique(errors.truths[best_first], return_index=True)
    surest = np.zeros(len(predictions), np.bool_)
    surest[best_first[first]] = True
    return surest


def repair(
    evaluated: _Evaluated,
    errors: Errors,
    surest: Bool[np.ndarray, " n"],
    error: ErrorType,
    truths: Truths,
) -> _Evaluated:
    """Turn the surest of these errors into true positives, and ignore the others."""
    wrong = errors.are(error)
    right = wrong & surest
    labels, true_positive = evaluated.predictions.labels.copy(), evaluated.outcomes.truths.copy()
    labels[right] = truths.labels[errors.truths[right]]
    true_positive[right] = errors.truths[right]
    return replace(
        evaluated,
        predictions=replace(evaluated.predictions, labels=labels),
        outcomes=Outcomes(true_positive, evaluated.outcomes.ignored | (wrong & ~right)),
    )


def gain(fixed: Sequence[float | None], base: Sequence[float | None]) -> float | None:
    """Compute the rise of the mean over classes that had truths; None without any."""
    return mean_of_defined(
        [
            None if before is None else (after or 0.0) - before
            for after, before in zip(fixed, base, strict=True)
        ]
    )
