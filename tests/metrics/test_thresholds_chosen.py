from __future__ import annotations

import numpy as np
import pytest
import torch

from singleshot.metrics import Choice, OperatingPoint, Predictions, Rule, Truths, choose_thresholds
from singleshot.structures import Detections, Truth

BOX = torch.tensor([[0.0, 0, 10, 10]])
AWAY = torch.tensor([[50.0, 50, 60, 60]])
NAMES = ("cat", "dog", "unicorn")
CHOSEN = Choice(0.41, precision=0.95, recall=0.8, false_positives_per_image=0.2)


def point(rule: str = "precision=0.95", **per_class: Choice) -> OperatingPoint:
    return OperatingPoint(Rule.parse(rule), 0.5, "the val images", per_class)


def choose(
    rule: str, *, difficult: bool = False, iou_threshold: float = 0.5, truth_label: int = 0
) -> OperatingPoint:
    """Two images, a cat (or TRUTH_LABEL) in each, and a dog; two cats are detected, one right."""
    truths = Truths.of(
        Truth(
            boxes=BOX.repeat(3, 1),
            labels=torch.tensor([truth_label, truth_label, 1]),
            difficult=torch.tensor([False, difficult, False]),
            crowd=torch.zeros(3, dtype=torch.bool),
            areas=torch.full((3,), 100.0),
        ),
        torch.tensor([1, 3]),
    )
    found = [
        Detections(BOX, torch.tensor([0.75]), torch.tensor([0])),
        Detections(AWAY, torch.tensor([0.5]), torch.tensor([0])),
    ]
    return choose_thresholds(
        Predictions.of(found),
        truths,
        NAMES,
        rule=Rule.parse(rule),
        iou_threshold=iou_threshold,
        ignore=truths.difficult,
        data="two images",
    )


def test_each_class_is_chosen_for_on_its_own():
    chosen = choose("precision=0.9").per_class
    assert chosen["cat"] == Choice(0.75, 1, 0.5, 0, true_positives=1, false_positives=0)
    assert chosen["dog"] == Choice(None, None, 0, 0, 0, 0)
    assert chosen["unicorn"] == Choice(None, None, None, None)


def test_ignored_truths_are_no_false_negatives():
    assert choose("recall=1").per_class["cat"].score_threshold is None
    assert choose("recall=1", difficult=True).per_class["cat"].score_threshold == 0.75


def test_the_numbers_are_those_of_the_iou_threshold():
    chosen = choose("f1", iou_threshold=0.75)
    assert (chosen.iou_threshold, chosen.data) == (0.75, "two images")


def test_a_class_without_a_choice_is_kept_from_the_default_score():
    assert choose("precision=0.9").score_thresholds.tolist() == [0.75, 0.3, 0.3]


def test_each_class_is_kept_from_its_own_score():
    found = Detections(
        BOX.repeat(4, 1), torch.tensor([0.5, 0.41, 0.4, 0.3]), torch.tensor([1, 0, 0, 1])
    )
    kept = point(cat=CHOSEN, dog=Choice(0.5, 1, 1, 0)).keep(found)
    assert kept.scores.tolist() == pytest.approx([0.5, 0.41])
    assert len(point(cat=CHOSEN).keep(found[:0])) == 0


def test_a_score_that_was_chosen_is_itself_kept():
    """Scores are float32; the threshold is one of them, as a float64."""
    scores = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    for score in scores[:20]:
        chosen = point(cat=Choice(float(np.float64(score)), 1, 1, 0))
        found = Detections(BOX, score[None], torch.tensor([0]))
        assert len(chosen.keep(found)) == 1


def test_the_sentences_name_thresholds_and_rule():
    assert list(point(cat=CHOSEN, dog=Choice(0.7, 1, 1, 0)).sentences()) == [
        "keeping cat from 0.41, dog from 0.70: chosen for precision ≥ 0.95 on the val images"
    ]


@pytest.mark.parametrize(
    ("rule", "choice", "reason"),
    [
        ("precision=0.95", Choice(None, 0.81, 0.5, 2), "0.81 at best"),
        ("recall=0.9", Choice(None, 0.81, 0.5, 2), "0.50 at best"),
        ("fppi=0.1", Choice(None, 0.81, 0.5, 2), "2.00 at best"),
        ("f1", Choice(None, 0, 0, 2), "no true positive at all"),
        ("fppi=5", Choice(None, 0, 0, 2), "no true positive at all"),
        ("f1", Choice(None, None, 0, 0), "nothing detected there"),
        ("f1", Choice(None, None, None, None), "no objects there"),
    ],
)
def test_the_sentences_name_what_is_out_of_reach(rule, choice, reason):
    (text,) = point(rule, dog=choice).sentences()
    assert f"out of reach on the val images for dog ({reason}): kept from 0.3" in text


def test_the_sentences_warn_of_a_threshold_that_rests_on_few_detections():
    few = Choice(0.41, 0.8, 0.8, 0.2, true_positives=4, false_positives=1)
    enough = Choice(0.5, 0.95, 0.8, 0.2, true_positives=19, false_positives=1)
    alone = Choice(0.9, 1, 0.1, 0, true_positives=1, false_positives=0)
    _, warning = point(cat=few, dog=enough, cow=alone).sentences()
    assert warning.startswith(
        "few to choose by: cat rests on 5 detections, cow rests on 1 detection;"
    )


def test_few_false_positives_can_be_required_without_any_object():
    """Two images; the cat is annotated away, so that both detections are false positives."""
    chosen = choose("fppi=0.5", truth_label=1)
    assert chosen.per_class["cat"] == Choice(0.75, None, None, 0.5, 0, 1)
    kept, few, unfound = chosen.sentences()
    assert kept.startswith("keeping cat from 0.75: chosen for at most 0.5 false positives")
    assert "cat rests on 1 detection" in few
    assert unfound == (
        "nothing was found of dog, unicorn on two images, so no false positive was made: "
        "kept from 0.3"
    )
    (*_, failed) = choose("fppi=0.1", truth_label=1).sentences()
    assert "out of reach on two images for cat (0.50 at best, with no objects there)" in failed


def test_eighty_classes_do_not_fill_the_screen():
    text = " ".join(point(**{f"class{k}": CHOSEN for k in range(80)}).sentences())
    assert "and 74 more" in text
