from __future__ import annotations

import time

import numpy as np
import pytest

from singleshot.errors import SingleshotError
from singleshot.metrics import (
    Choice,
    Rule,
    choose_threshold,
    choose_without_truths,
    precision_recall_curve,
)

# Five objects in ten images: precision 1, 1, 2/3, 3/4, 3/5, 4/6 at recall 0.2 … 0.8.
OUTCOMES = np.array([True, True, False, True, False, True])
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
CURVE = precision_recall_curve(SCORES, OUTCOMES, num_truths=5)


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        ("precision=1", 0.8),
        ("precision=0.75", 0.6),
        ("precision=0.7", 0.6),
        ("precision=0.1", 0.4),
        ("recall=0.2", 0.9),  # 0.8 is as precise: the highest is taken
        ("recall=0.5", 0.6),
        ("recall=0.6", 0.6),
        ("recall=0.8", 0.4),
        ("fppi=0", 0.8),
        ("fppi=0.1", 0.6),
        ("fppi=0.15", 0.6),
        ("fppi=5", 0.4),
        ("f1", 0.4),  # 2 x 4 true positives / (6 detections + 5 truths)
    ],
)
def test_the_best_of_the_thresholds_that_meet_the_rule_is_chosen(rule, threshold):
    assert choose_threshold(CURVE, 10, Rule.parse(rule)).score_threshold == threshold


def test_a_choice_has_the_numbers_at_its_threshold():
    assert choose_threshold(CURVE, 10, Rule.parse("precision=0.7")) == Choice(
        score_threshold=0.6,
        precision=0.75,
        recall=0.6,
        false_positives_per_image=0.1,
        true_positives=3,
        false_positives=1,
    )


def test_a_threshold_cannot_part_detections_of_equal_score():
    tied = precision_recall_curve(np.array([0.9, 0.5, 0.5]), OUTCOMES[:3], num_truths=5)
    assert choose_threshold(tied, 10, Rule.parse("precision=1")).score_threshold == 0.9


def test_of_equally_good_thresholds_the_highest_is_chosen():
    """Both false positives after the last true positive are within the limit, and add nothing."""
    curve = precision_recall_curve(SCORES[:3], np.array([True, False, False]), num_truths=5)
    assert choose_threshold(curve, 10, Rule.parse("fppi=0.2")).score_threshold == 0.9


@pytest.mark.parametrize(
    ("rule", "nearest"),
    [
        ("recall=0.9", Choice(None, 4 / 6, 0.8, 0.2, 4, 2)),
        ("precision=0.9", Choice(None, 0.75, 0.6, 0.1, 3, 1)),
        ("fppi=0.05", Choice(None, 0.75, 0.6, 0.1, 3, 1)),
    ],
)
def test_a_rule_out_of_reach_has_no_threshold_but_the_nearest_numbers(rule, nearest):
    true_positive = (
        OUTCOMES if rule.startswith("recall") else np.array([False, True, True, True, False, False])
    )
    curve = precision_recall_curve(SCORES, true_positive, num_truths=5)
    assert choose_threshold(curve, 10, Rule.parse(rule)) == nearest


@pytest.mark.parametrize("rule", ["f1", "fppi=2", "precision=0.5", "recall=0.5"])
def test_without_any_true_positive_no_threshold_is_chosen(rule):
    curve = precision_recall_curve(SCORES, np.zeros(6, np.bool_), num_truths=5)
    assert choose_threshold(curve, 10, Rule.parse(rule)).score_threshold is None


def test_few_false_positives_without_a_true_positive_do_not_meet_the_rule():
    curve = precision_recall_curve(SCORES[:3], np.array([False, False, True]), num_truths=5)
    nearest = Choice(None, 1 / 3, 0.2, 0.2, true_positives=1, false_positives=2)
    assert choose_threshold(curve, 10, Rule.parse("fppi=0.1")) == nearest


def test_no_detections_differ_from_no_truths():
    empty = precision_recall_curve(np.zeros(0), np.zeros(0, np.bool_), num_truths=5)
    rule = Rule.parse("precision=0.5")
    assert choose_threshold(empty, 10, rule) == Choice(None, None, 0, 0, 0, 0)
    assert choose_without_truths(SCORES, 10, rule) == Choice(None, None, None, None)


@pytest.mark.parametrize(
    ("limit", "threshold", "num_false_positives"),
    [(0.3, 0.5, 3), (0.29, 0.8, 1), (0.1, 0.8, 1), (9, 0.2, 4), (0.05, None, 1), (0, None, 1)],
)
def test_without_truths_the_lowest_score_with_few_false_positives_is_chosen(
    limit, threshold, num_false_positives
):
    scores = np.array([0.5, 0.8, 0.2, 0.5])  # 1, 3 and 4 false positives in ten images
    choice = choose_without_truths(scores, 10, Rule.parse(f"fppi={limit}"))
    assert choice == Choice(threshold, None, None, num_false_positives / 10, 0, num_false_positives)


def test_without_objects_and_detections_there_is_no_false_positive_and_no_threshold():
    choice = choose_without_truths(np.zeros(0), 10, Rule.parse("fppi=0"))
    assert choice == Choice(None, None, None, 0, 0, 0)


@pytest.mark.parametrize("text", ["precision=0.95", "recall=0.9", "fppi=0", "fppi=2.5", "f1"])
def test_a_rule_is_written_as_it_is_read(text):
    assert str(Rule.parse(text)) == text


def test_a_rule_reads_as_a_sentence():
    rules = map(Rule.parse, ["precision=0.95", "recall=0.9", "fppi=0.1", "f1"])
    assert [rule.sentence for rule in rules] == [
        "precision ≥ 0.95",
        "recall ≥ 0.9",
        "at most 0.1 false positives per image",
        "the best F1",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rule ''"),
        ("accuracy=0.9", "no rule 'accuracy=0.9'"),
        ("Precision=0.9", "write precision=0.95"),
        ("precision", "expected a precision above 0 and up to 1"),
        ("precision=95", "expected a precision above 0 and up to 1"),
        ("precision=0", "expected a precision above 0"),
        ("recall=90%", "recall=90%: expected a recall"),
        ("recall=nan", "expected a recall"),
        ("fppi=-1", "expected a number of false positives per image"),
        ("fppi=inf", "expected a number of false positives per image"),
        ("f1=0.8", "takes no value"),
    ],
)
def test_nonsense_is_no_rule(text, message):
    with pytest.raises(SingleshotError, match=message):
        Rule.parse(text)


def test_eighty_classes_of_half_a_million_detections_are_chosen_for_at_once():
    random = np.random.default_rng(0)
    scores, true_positive = random.random((80, 6250)), random.random((80, 6250)) < 0.1
    curves = [
        precision_recall_curve(*one, num_truths=1000)
        for one in zip(scores, true_positive, strict=True)
    ]
    start = time.perf_counter()
    chosen = [choose_threshold(curve, 5000, Rule.parse("precision=0.5")) for curve in curves]
    assert time.perf_counter() - start < 0.5
    assert len(chosen) == 80
