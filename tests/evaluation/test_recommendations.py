from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from singleshot.evaluation.recommendations import recommend
from singleshot.metrics import Protocol, compute_metrics
from singleshot.metrics.diagnosis import ErrorGain, ErrorType, diagnose


@pytest.fixture
def diagnosed(scene):
    report = scene.report
    found = diagnose(
        scene.predictions,
        scene.truths,
        scene.dataset.class_names,
        protocol=Protocol.VOC10,
        score_thresholds=report.score_thresholds,
    )
    return report, replace(found, suspects=(), slices=(), calibration=None)


def gains(**by_name: float) -> tuple[ErrorGain, ...]:
    return tuple(ErrorGain(error, 7, by_name.get(error.name.lower(), 0.0)) for error in ErrorType)


def test_the_two_greatest_gains_come_first(diagnosed):
    report, diagnosis = diagnosed
    errors = gains(duplicate=0.02, localization=0.1, missed=0.05, background=0.005)
    first, second, *_ = recommend(report, replace(diagnosis, errors=errors))
    assert first.title == "Place boxes better"
    assert "0.100 higher" in first.reason
    assert second.title == "Find the objects that are missed"


def test_confused_classes_are_named(diagnosed):
    report, diagnosis = diagnosed
    confusion = np.zeros_like(diagnosis.confusion)
    confusion[1, 2] = 9
    changed = replace(diagnosis, errors=gains(**{"class": 0.2}), confusion=confusion)
    first = recommend(report, changed)[0]
    names = diagnosis.class_names
    assert f"most often {names[1]} is detected as {names[2]} (9 at best F1)" in first.reason


def test_there_are_three_at_most(scene):
    diagnosis = diagnose(
        scene.predictions,
        scene.truths,
        scene.dataset.class_names,
        protocol=Protocol.VOC10,
        score_thresholds=scene.report.score_thresholds,
    )
    assert len(recommend(scene.report, diagnosis)) == 3


def test_classes_with_few_objects_are_named(diagnosed):
    report, diagnosis = diagnosed
    one = next(iter(report.per_class.values()))
    counts = {"cat": 500, "dog": 3}
    few = replace(report, per_class={name: replace(one, truths=n) for name, n in counts.items()})
    (only,) = recommend(few, replace(diagnosis, errors=gains()))
    assert only.reason.startswith("dog (3) has fewer than 20 objects here")


def test_a_detector_without_errors_on_many_objects_needs_nothing(diagnosed):
    report, diagnosis = diagnosed
    one = next(iter(report.per_class.values()))
    enough = replace(report, per_class={"cat": replace(one, truths=500)})
    assert recommend(enough, replace(diagnosis, errors=gains())) == ()


def test_without_detections_and_truths_there_is_nothing_to_recommend(scene):
    nothing = scene.predictions[:0]
    none = replace(scene.truths, crowd=np.ones(len(scene.truths), np.bool_))
    report = compute_metrics(nothing, none, scene.dataset.class_names, protocol=Protocol.VOC10)
    diagnosis = diagnose(
        nothing,
        none,
        scene.dataset.class_names,
        protocol=Protocol.VOC10,
        score_thresholds=report.score_thresholds,
    )
    assert recommend(report, replace(diagnosis, suspects=())) == ()
