"""What was read from files of predictions."""

from __future__ import annotations

from typing import NamedTuple

from singleshot.metrics import Predictions

__all__ = ["ReadPredictions"]


class ReadPredictions(NamedTuple):
    """Anyone's predictions, about the pictures and classes of a data set."""

    predictions: Predictions
    notes: tuple[str, ...]  # what a person should be told once: "3 of 452 detections …"
    kind: str  # what the file was taken for
