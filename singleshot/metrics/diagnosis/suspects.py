"""Annotations that are probably wrong: where a sure detection and the truth disagree."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = ["Suspect", "SuspectKind"]


class SuspectKind(StrEnum):
    """What may be wrong with the annotation."""

    MISSING_ANNOTATION = "missing annotation"  # nothing is annotated where something was found
    WRONG_CLASS = "wrong class"  # found and annotated as different classes
    WRONG_BOX = "wrong box"  # the box found and the one annotated agree poorly
    DOUBLE_ANNOTATION = "double annotation"  # two truths of one class almost coincide


class Suspect(NamedTuple):
    """A place to look at."""

    image: int  # index of the picture
    kind: SuspectKind
    box: tuple[float, float, float, float]  # of the detection; of the second of two truths
    label: int  # of the detection; of the two truths
    truth: int  # index of the annotation in doubt; -1 where it is missing
    score: float  # of the detection; of two truths, their IoU
