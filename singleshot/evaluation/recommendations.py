"""Recommendations from an evaluation: the errors that cost most, and what else stands out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from singleshot.metrics import Report
from singleshot.metrics.diagnosis import Diagnosis, ErrorGain, ErrorType

__all__ = ["Recommendation", "recommend"]

MOST = 3
LEAST_GAIN = 0.01  # of mean average precision
FEW_OBJECTS = 20  # of a class: one more or less found moves its recall by 5 points
LEAST_SUSPECTS = 0.02  # of all objects
LEAST_CALIBRATION_ERROR = 0.1
LEAST_RECALL_GAP = 0.2  # between parts of the data

ADVICE = {
    ErrorType.LOCALIZATION: (
        "Place boxes better",
        "train longer or with a larger input, and check that annotated boxes fit their objects.",
    ),
    ErrorType.CLASS: (
        "Separate the classes",
        "add images that show their difference, or join classes whose difference does not matter.",
    ),
    ErrorType.BOTH: (
        "Separate classes that stand close together",
        "add images with objects of these classes side by side.",
    ),
    ErrorType.DUPLICATE: (
        "Remove duplicates",
        "lower `model.results.iou_threshold`, that of NMS.",
    ),
    ErrorType.BACKGROUND: (
        "Show more background",
        "annotate what the gallery “Background” shows as objects; add images without objects that "
        "look like the rest of it.",
    ),
    ErrorType.MISSED: (
        "Find the objects that are missed",
        "add images with objects like those of the gallery “False negatives”, or enlarge the "
        "input if they are small.",
    ),
}


class Recommendation(NamedTuple):
    """One thing to do, and the measurement that suggests it."""

    title: str
    reason: str


def recommend(report: Report, diagnosis: Diagnosis) -> tuple[Recommendation, ...]:
    """Choose at most three: the two greatest gains, then what else stands out."""
    others = [
        *_suspects(report, diagnosis),
        *_few_objects(report),
        *_weak_part(diagnosis),
        *_calibration(diagnosis),
    ]
    gains = _greatest_gains(diagnosis)
    return tuple([*gains[:2], *others, *gains[2:]][:MOST])


def _greatest_gains(diagnosis: Diagnosis) -> list[Recommendation]:
    """Recommend what fixes the error types with the greatest gain, the greatest first."""
    errors = sorted(diagnosis.errors, key=lambda one: -(one.gain or 0.0))
    return [_fix(one, diagnosis) for one in errors if (one.gain or 0.0) >= LEAST_GAIN]


def _fix(error: ErrorGain, diagnosis: Diagnosis) -> Recommendation:
    """Recommend what fixes one error type."""
    assert isinstance(error.error, ErrorType)
    title, advice = ADVICE[error.error]
    reason = f"Without errors of this type mean average precision would be {error.gain:.3f} higher"
    if error.error is ErrorType.CLASS:
        reason += _most_confused(diagnosis)
    return Recommendation(title, f"{reason}: {advice}")


def _most_confused(diagnosis: Diagnosis) -> str:
    """Name the two classes that are confused most often; nothing where none is."""
    between = diagnosis.confusion[:-1, :-1].copy()
    np.fill_diagonal(between, 0)
    if not between.any():
        return ""
    annotated, found = np.unravel_index(between.argmax(), between.shape)
    names, count = diagnosis.class_names, int(between.max())
    return f"; most often {names[annotated]} is detected as {names[found]} ({count} at best F1)"


def _suspects(report: Report, diagnosis: Diagnosis) -> list[Recommendation]:
    """Recommend to check annotations where many are suspected."""
    count = len(diagnosis.suspects)
    if count < max(LEAST_SUSPECTS * report.truths, 1):
        return []
    reason = (
        f"A sure detection and the annotation disagree at {count} places: look at them before "
        f"training again, as a wrong annotation costs twice, in training and here."
    )
    return [Recommendation("Check the suspected label errors", reason)]


def _few_objects(report: Report) -> list[Recommendation]:
    """Recommend more objects of the classes with too few to measure."""
    few = {name: one.truths for name, one in report.per_class.items() if one.truths}
    few = {name: truths for name, truths in few.items() if truths < FEW_OBJECTS}
    if not few:
        return []
    fewest = sorted(few, key=lambda name: few[name])[:MOST]
    named = ", ".join(f"{name} ({few[name]})" for name in fewest)
    if len(few) == 1:
        which = f"{named} has"
    else:
        which = f"{len(few)} classes have" if len(few) > MOST else f"{named} have"
    least = f", the fewest {named}" if len(few) > MOST else ""
    reason = (
        f"{which} fewer than {FEW_OBJECTS} objects here{least}: their numbers are a matter of "
        f"chance, and count in the mean like those of any other class."
    )
    return [Recommendation("Evaluate on more objects of rare classes", reason)]


def _weak_part(diagnosis: Diagnosis) -> list[Recommendation]:
    """Recommend more of the part of the data whose recall is far below that of its siblings."""
    parts: dict[str, list[tuple[float, str]]] = {}
    for one in diagnosis.slices:
        if one.recall is not None and one.name and one.truths >= FEW_OBJECTS:
            parts.setdefault(one.by, []).append((one.recall, one.name))
    by = max(parts, key=lambda name: max(parts[name])[0] - min(parts[name])[0], default="")
    if not by:
        return []
    (weak_recall, weak), (strong_recall, strong) = min(parts[by]), max(parts[by])
    if strong_recall - weak_recall < LEAST_RECALL_GAP:
        return []
    larger = ", or enlarge the input (`--input HxW`)" if weak == "small" else ""
    reason = (
        f"By {by}, recall is {weak_recall:.2f} for {weak} and {strong_recall:.2f} for {strong}: "
        f"add images of the former{larger}."
    )
    return [Recommendation(f"Train for {by} “{weak}”", reason)]


def _calibration(diagnosis: Diagnosis) -> list[Recommendation]:
    """Recommend to choose thresholds where scores are no probabilities."""
    found = diagnosis.calibration
    if found is None or found.expected_error < LEAST_CALIBRATION_ERROR:
        return []
    reason = (
        f"Scores differ from the share of true positives by {found.expected_error:.2f} on average: "
        f"choose score thresholds by a rule (`--threshold-rule`) instead of taking 0.5."
    )
    return [Recommendation("Do not read scores as probabilities", reason)]
