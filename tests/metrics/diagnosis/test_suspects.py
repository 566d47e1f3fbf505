from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from detection_cases import FAR, MOST, SQUARE, THIRD, annotated, found

from singleshot.data.opening import open_dataset
from singleshot.metrics import Predictions, Protocol, Truths, find_true_positives
from singleshot.metrics.diagnosis import SuspectKind, diagnose, find_errors, find_suspects
from singleshot.metrics.diagnosis.neighbours import find_neighbours

# There class 0 has a true positive with score 0.5, so that a higher score is confident.
ELSEWHERE = (80, 80, 90, 90)


def suspects(kept, truths, *, ignore=None, most=100):
    ignore = truths.crowd if ignore is None else np.array(ignore)
    rule = {"ignore": ignore, "iou_threshold": 0.5}
    outcomes = find_true_positives(kept, truths, **rule)
    errors = find_errors(kept, truths, outcomes, **rule)
    neighbours = find_neighbours(kept, truths, ignore=ignore)
    return find_suspects(kept, truths, outcomes, errors, neighbours, ignore=ignore, most=most)


def with_a_true_positive(*boxes, scores, labels=None) -> Predictions:
    """Detections of these boxes, and one of ELSEWHERE with score 0.5."""
    labels = [0] * len(boxes) if labels is None else labels
    return found(*boxes, ELSEWHERE, scores=[*scores, 0.5], labels=[*labels, 0])


@pytest.mark.parametrize(
    ("box", "label", "kind", "truth"),
    [
        (FAR, 0, SuspectKind.MISSING_ANNOTATION, -1),
        (MOST, 0, SuspectKind.WRONG_CLASS, 1),
        (THIRD, 1, SuspectKind.WRONG_BOX, 1),
    ],
)
def test_a_confident_false_positive_makes_an_annotation_suspect(box, label, kind, truth):
    objects = annotated(ELSEWHERE, SQUARE, ELSEWHERE, labels=[0, 1, 1])
    kept = found(box, ELSEWHERE, ELSEWHERE, scores=[0.7, 0.5, 0.5], labels=[label, 0, 1])
    (suspect,) = suspects(kept, objects)
    assert (suspect.kind, suspect.truth, suspect.image) == (kind, truth, 0)
    assert (suspect.box, suspect.label, suspect.score) == (box, label, 0.7)


def test_two_truths_that_almost_coincide_are_a_double_annotation():
    close, closer = (0, 0, 100, 91), (0, 0, 100, 99)
    objects = annotated((0, 0, 100, 100), FAR, closer, FAR, labels=[0, 0, 0, 1])
    (suspect,) = suspects(found(), objects)
    assert suspect == (0, SuspectKind.DOUBLE_ANNOTATION, closer, 0, 2, 0.99)
    assert [one.score for one in suspects(found(), annotated((0, 0, 100, 100), close))] == [0.91]
    assert suspects(found(), annotated(SQUARE, (0, 0, 10, 9))) == ()  # IoU of exactly 0.9
    assert suspects(found(), annotated(SQUARE, SQUARE, images=[0, 1])) == ()
    assert suspects(found(), annotated(SQUARE, SQUARE, crowd=[True, True])) == ()


def test_only_scores_of_at_least_the_median_true_positive_of_their_class_make_suspects():
    another = (200, 200, 210, 210)
    kept = found(SQUARE, ELSEWHERE, another, FAR, FAR, scores=[0.8, 0.6, 0.4, 0.6, 0.59])
    objects = annotated(SQUARE, ELSEWHERE, another)
    assert [one.score for one in suspects(kept, objects)] == [0.6]


def test_a_class_without_true_positives_is_compared_with_those_of_all_classes_if_any():
    kept = found(SQUARE, ELSEWHERE, FAR, FAR, scores=[0.8, 0.6, 0.6, 0.59], labels=[0, 0, 1, 1])
    assert [one.score for one in suspects(kept, annotated(SQUARE, ELSEWHERE))] == [0.6]
    (swapped,) = suspects(found(SQUARE, labels=[1]), annotated(SQUARE))
    assert (swapped.kind, swapped.label) == (SuspectKind.WRONG_CLASS, 1)


def test_no_kind_of_suspect_displaces_another():
    """Three objects are annotated twice, exactly; two are not annotated, with lower scores."""
    twice = [(x, 0, x + 9, 9) for x in (100, 200, 300)]
    kept = with_a_true_positive(FAR, SQUARE, scores=[0.7, 0.6])
    objects = annotated(*twice, *twice, ELSEWHERE)
    missing, double = SuspectKind.MISSING_ANNOTATION, SuspectKind.DOUBLE_ANNOTATION
    kinds = [missing, double, missing, double, double]
    assert [one.kind for one in suspects(kept, objects)] == kinds
    assert [one.score for one in suspects(kept, objects, most=3)] == [0.7, 1, 0.6]


def test_a_truth_with_a_true_positive_is_not_suspect():
    objects = annotated(SQUARE, ELSEWHERE, labels=[1, 0])
    kept = with_a_true_positive(SQUARE, SQUARE, scores=[0.9, 0.6], labels=[0, 1])
    assert suspects(kept, objects) == ()


def test_a_detection_on_an_ignored_annotation_makes_no_suspect():
    region, difficult = (40, 40, 100, 100), SQUARE
    objects = annotated(ELSEWHERE, region, difficult, labels=[0, 1, 1], crowd=[False, True, False])
    kept = with_a_true_positive(FAR, MOST, (200, 200, 210, 210), scores=[0.9, 0.8, 0.7])
    (suspect,) = suspects(kept, objects, ignore=[False, True, True])
    assert suspect.score == 0.7


def test_the_best_scored_of_a_kind_come_first_up_to_the_given_number():
    kept = with_a_true_positive(
        *[(x, 0, x + 9, 9) for x in (100, 200, 300)], scores=[0.6, 0.9, 0.7]
    )
    assert [one.score for one in suspects(kept, annotated(ELSEWHERE))] == [0.9, 0.7, 0.6]
    assert [one.score for one in suspects(kept, annotated(ELSEWHERE), most=1)] == [0.9]


def test_mistakes_planted_into_real_annotations_are_found(shared):
    """Detections are the annotations; those of planted mistakes have the highest scores."""
    truths = cells(shared)
    random = np.random.default_rng(0)
    planted = random.permutation(isolated(truths))[:40]
    gone, renamed, moved, doubled = np.split(planted, 4)
    scores = random.uniform(0.5, 0.9, len(truths))
    scores[planted] = 0.95
    perfect = Predictions(truths.images, truths.boxes, scores, truths.labels)

    boxes, labels = truths.boxes.copy(), truths.labels.copy()
    labels[renamed] = (labels[renamed] + 1) % 3
    boxes[moved, 0::2] += (boxes[moved, 2:3] - boxes[moved, 0:1]) / 2  # IoU with before: 1/3
    remaining = np.setdiff1d(np.arange(len(truths)), gone)
    order = np.concatenate([remaining, doubled])
    wrong = select(replace(truths, boxes=boxes, labels=labels), order)

    suspected = count_suspects(perfect, wrong, order)
    assert suspected[SuspectKind.MISSING_ANNOTATION] == {-1: 10}
    assert set(suspected[SuspectKind.WRONG_CLASS]) == set(renamed)
    assert set(suspected[SuspectKind.WRONG_BOX]) == set(moved)
    # The data set has double annotations of its own.
    before = count_suspects(perfect, truths, np.arange(len(truths)))
    assert [kind for kind, among in before.items() if among] == [SuspectKind.DOUBLE_ANNOTATION]
    own = before[SuspectKind.DOUBLE_ANNOTATION]
    assert set(suspected[SuspectKind.DOUBLE_ANNOTATION]) == set(doubled) | set(own)


def count_suspects(predictions, truths, order):
    """Count for each kind how often each annotation (by its number before) is suspect."""
    diagnosis = diagnose(
        predictions,
        truths,
        ["RBC", "WBC", "Platelets"],
        protocol=Protocol.VOC07,
        score_thresholds=np.full(3, 0.5),
    )
    numbers = [*order.tolist(), -1]
    return {
        kind: Counter(numbers[one.truth] for one in diagnosis.suspects if one.kind is kind)
        for kind in SuspectKind
    }


def cells(shared) -> Truths:
    dataset = open_dataset(shared / "data" / "bccd", "trainval+test")
    return Truths.of(dataset.truths, dataset.ends)


def isolated(truths: Truths) -> np.ndarray:
    """Objects that overlap no other of their image and have none within half their width."""
    wide = truths.boxes.copy()
    widths = wide[:, 2] - wide[:, 0]
    wide[:, 0] -= widths
    wide[:, 2] += widths
    alone = []
    for index in range(len(truths)):
        others = np.flatnonzero(truths.images == truths.images[index])
        others = others[others != index]
        apart = (truths.boxes[others, :2] >= wide[index, 2:]) | (
            truths.boxes[others, 2:] <= wide[index, :2]
        )
        if apart.any(axis=1).all():
            alone.append(index)
    return np.array(alone)


def select(truths: Truths, order: np.ndarray) -> Truths:
    columns = ("images", "boxes", "labels", "difficult", "crowd", "areas")
    return replace(truths, **{name: getattr(truths, name)[order] for name in columns})
