from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from singleshot.evaluation.diagnosis_tables import error_rows, frequent_confusions, tables_of
from singleshot.evaluation.gallery import choose_galleries
from singleshot.metrics import Protocol
from singleshot.metrics.diagnosis import ErrorGain, ErrorType, diagnose


@pytest.fixture
def diagnosis(scene):
    return diagnose(
        scene.predictions,
        scene.truths,
        scene.dataset.class_names,
        protocol=Protocol.VOC10,
        score_thresholds=scene.report.score_thresholds,
    )


def test_the_error_with_the_largest_gain_comes_first_with_the_longest_bar():
    gains = [
        ErrorGain(ErrorType.CLASS, 3, 0.1),
        ErrorGain(ErrorType.MISSED, 1, 0.4),
        ErrorGain(ErrorType.BOTH, 9, None),
    ]
    kept = dict.fromkeys(ErrorType, 2)
    rows = error_rows(gains, kept)
    assert [row.name for row in rows] == ["Missed", "Wrong class", "Wrong class, badly placed"]
    assert [row.share for row in rows] == pytest.approx([1, 0.25, 0])


def test_a_few_classes_have_a_matrix(diagnosis):
    findings = tables_of(diagnosis, num_truths=100)
    assert findings.confusions == ()
    assert [row.name for row in findings.matrix] == [*diagnosis.class_names, "nothing"]
    counts = [[cell.count for cell in row.cells] for row in findings.matrix]
    assert counts == diagnosis.confusion.tolist()
    for row in findings.matrix[:3]:
        assert sum(cell.share for cell in row.cells) == pytest.approx(1)


def test_many_classes_have_a_list(diagnosis):
    names = tuple(f"class {index}" for index in range(20))
    confusion = np.zeros((21, 21), np.int64)
    confusion[3, 5], confusion[5, 3], confusion[3, 3], confusion[3, 20] = 2, 7, 5, 1
    findings = tables_of(replace(diagnosis, class_names=names, confusion=confusion), num_truths=100)
    assert findings.matrix == ()
    first, second = findings.confusions
    assert (first.annotated, first.detected, first.count) == ("class 5", "class 3", 7)
    assert (second.annotated, second.detected, second.share) == ("class 3", "class 5", 0.25)


def test_at_most_twenty_confusions_are_listed():
    confusion = np.arange(26 * 26).reshape(26, 26)
    found = frequent_confusions(confusion, [str(index) for index in range(26)])
    assert len(found) == 20
    assert [one.count for one in found] == sorted((one.count for one in found), reverse=True)
    assert all(one.annotated != one.detected for one in found)


def test_the_reliability_chart_has_a_circle_for_each_filled_bin(diagnosis):
    findings = tables_of(diagnosis, num_truths=100)
    filled = [one for one in findings.calibration.bins if one.count]
    assert len(findings.reliability.bubbles) == len(filled)
    largest = max(findings.reliability.bubbles, key=lambda one: one.radius)
    assert largest.radius == pytest.approx(9)


def test_errors_have_the_count_of_their_gallery(scene, diagnosis):
    findings = tables_of(diagnosis, num_truths=scene.report.truths)
    random = torch.Generator().manual_seed(0)
    galleries = {
        one.title: one.total for one in choose_galleries(diagnosis, scene.truths, random=random)
    }
    by_name = {row.name: row.kept for row in (*findings.errors, *findings.totals)}
    for title in ("Wrong class", "Badly placed", "Background"):
        assert by_name[title] == galleries.get(title, 0)
    assert by_name["All false negatives"] == galleries["False negatives"]
    assert by_name["All false positives"] == sum(
        row.kept for row in findings.errors if row.name != "Missed"
    )
