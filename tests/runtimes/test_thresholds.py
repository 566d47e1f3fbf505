"""Score thresholds that leave with a model, and come back."""

from __future__ import annotations

from singleshot.metrics import Choice, OperatingPoint, Rule
from singleshot.runtimes.thresholds import operating_point_of, record_thresholds


def choice(threshold):
    return Choice(threshold, None, None, None, None, None)


def test_thresholds_come_back():
    chosen = {"cat": choice(0.7), "dog": choice(None)}
    point = OperatingPoint(Rule.parse("precision=0.9"), 0.5, "pets", chosen)
    messages = []
    again = operating_point_of(record_thresholds(point), ("cat", "dog"), messages.append)
    assert again == point
    assert again.score_thresholds.tolist() == [0.7, 0.3]
    assert "cat from 0.70" in messages[0]


def test_without_thresholds_there_is_no_operating_point():
    assert operating_point_of(None, ("cat",)) is None
