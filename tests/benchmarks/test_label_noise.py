"""The bound of label noise: known rates are found again in simulated descriptions."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from cells import make_cells

import singleshot
from benchmarks import label_noise
from benchmarks.corpus_data import names_in, prepare
from benchmarks.corpus_trainings import Ours
from benchmarks.label_noise import Comparison, Sure, as_truths, table, write_halves
from benchmarks.label_noise_estimate import Evidence, combine, estimate, interval, largest, matched
from benchmarks.starts import Set
from singleshot.structures import Detections, Truth

BOXES = torch.tensor([[0.0, 0, 10, 10], [50, 0, 60, 10], [100, 0, 110, 10]])


class Fixed:
    """A detector that finds the same in the images, one after the other."""

    class_names = ("RBC", "WBC")

    def __init__(self, found):
        self.found = iter(found)

    def detect(self, images):
        return [next(self.found) for _ in images]


def detections(boxes, labels=None, scores=None) -> Detections:
    number = len(boxes)
    labels = torch.zeros(number, dtype=torch.int64) if labels is None else torch.tensor(labels)
    scores = torch.full((number,), 0.9) if scores is None else torch.tensor(scores)
    return Detections(boxes, scores, labels)


def truth(boxes, labels=None) -> Truth:
    found = detections(boxes, labels)
    return Truth.of(found.boxes, found.labels)


def simulate(random, recall: float, precision: float, number: int, place: float):
    """Boxes of a description: some of the true objects, and others that are nowhere else."""
    kept = torch.from_numpy(np.flatnonzero(random.random(number) < recall))
    spurious = round(len(kept) * (1 / precision - 1))
    x = torch.cat([20.0 * kept, 20.0 * torch.arange(spurious)])
    y = torch.cat([torch.zeros(len(kept)), torch.full((spurious,), place)])
    return torch.stack([x, y, x + 10, y + 10], dim=1)


def test_the_shares_of_a_simulation_are_found_again():
    random = np.random.default_rng(0)
    annotated, first, second = (
        simulate(random, recall, precision, 2000, place)
        for recall, precision, place in ((0.9, 0.95, 100.0), (0.8, 0.7, 200.0), (0.6, 0.9, 300.0))
    )
    found = estimate(Evidence.of([truth(annotated)], [detections(first)], [detections(second)], 1))
    assert found.annotated[0] == pytest.approx(0.9, abs=0.03)
    assert found.true[0] == pytest.approx(0.95, abs=0.03)
    # All scores are equal, so that no ranking helps: precision 0.9 up to recall 0.95.
    assert found.bound[0] == pytest.approx(0.9 * 0.95, abs=0.04)


def test_equal_descriptions_have_a_bound_of_1():
    evidence = Evidence.of([truth(BOXES)], [detections(BOXES)], [detections(BOXES)], 1)
    assert estimate(evidence).bound == (1.0,)
    assert evidence.doubts().tolist() == [[0, 0]]


def test_an_object_that_is_not_annotated_costs_nothing_where_it_ranks_last():
    def bound(scores) -> float:
        both = detections(BOXES, scores=scores)
        return estimate(Evidence.of([truth(BOXES[:2])], [both], [both], 1)).bound[0]

    assert bound([0.9, 0.8, 0.7]) == 1.0
    # Ranked first: precision is 1/2, then 2/3, whose envelope is 2/3.
    assert bound([0.8, 0.7, 0.9]) == pytest.approx(2 / 3)


def test_annotations_that_neither_has_are_false_as_far_as_chance_does_not_explain_them():
    two, others = [detections(BOXES[:2])], [detections(BOXES[1:2])]
    # Of 3 annotations 2 are the first's, and the second has 1 of these 2: 2 · 1 / 1 of 3 exist.
    assert estimate(Evidence.of([truth(BOXES)], two, others, 1)).true == pytest.approx((2 / 3,))
    # Both have half of what the other has: 2 · 2 / 1 exist, which are all.
    last = [detections(BOXES[1:])]
    assert estimate(Evidence.of([truth(BOXES)], two, last, 1)).true == (1.0,)


def test_what_both_have_and_the_annotations_lack_is_counted_in_each_image():
    both = [detections(BOXES[:2]), detections(BOXES)]
    evidence = Evidence.of([truth(BOXES[1:]), truth(BOXES)], both, both, 1)
    assert evidence.doubts().tolist() == [[1, 1], [0, 0]]


def test_objects_are_paired_one_to_one_within_a_class():
    shifted = BOXES[:1] + torch.tensor([1.0, 0, 1, 0])
    twice = detections(torch.cat([shifted, BOXES[:1]]))
    assert matched(twice, truth(BOXES)) == [(1, 0)]
    assert matched(detections(BOXES, [0, 1, 0]), truth(BOXES)) == [(0, 0), (2, 2)]


def test_a_class_without_annotations_is_undefined():
    evidence = Evidence.of([truth(BOXES)], [detections(BOXES)], [detections(BOXES)], 2)
    assert estimate(evidence).bound == (1.0, None)


def test_each_class_has_the_threshold_with_the_largest_bound():
    boxes, labels = torch.cat([BOXES, BOXES]), [0, 0, 0, 1, 1, 1]
    own = truth(boxes, labels)
    few = [detections(boxes[[0, 3, 4, 5]], [0, 1, 1, 1], [0.9] * 4)]
    other = [detections(boxes[[0, 1, 3, 4]], [0, 0, 1, 1], [0.9] * 4)]
    low, high = (estimate(Evidence.of([own], *pair, 2)) for pair in ((few, other), (other, other)))
    assert low.bound == pytest.approx((2 / 3, 1.0))
    assert high.bound == pytest.approx((2 / 3, 2 / 3))
    assert largest([high, low]) == (0, 1)
    assert combine([high, low], (0, 1)).bound == pytest.approx((2 / 3, 1.0))


def test_the_interval_is_around_the_estimate_and_narrows_with_more_images():
    def width(copies: int) -> float:
        truths = [truth(BOXES), truth(BOXES)] * copies
        found = [detections(BOXES[:2]), detections(BOXES)] * copies
        evidence = Evidence.of(truths, found, found, 1)
        low, high = interval([evidence], [0])
        assert low <= estimate(evidence).bound[0] <= high
        return high - low

    assert width(40) < width(4)


def test_halves_of_the_training_images_are_disjoint(tmp_path):
    each = Set("cells", make_cells(tmp_path / "cells"), "train", "test")
    folder = prepare(each, tmp_path / "data")
    first, second = (names_in(folder, name) for name in write_halves(folder, 0))
    assert sorted(first + second) == sorted(names_in(folder, "trainval"))
    assert len(first) == len(second) == 3


def test_detectors_that_find_the_annotations_agree_with_them_and_each_other(tmp_path):
    dataset = singleshot.open_dataset(make_cells(tmp_path / "cells"), split="test")
    found = [
        Detections(one.boxes, torch.ones(len(one)), one.labels)
        for one in (dataset.truth(index) for index in range(len(dataset)))
    ]
    pair = [Sure(Fixed(found), torch.tensor([0.5, 0.5])) for _ in range(2)]
    comparison = Comparison.of(pair, dataset)
    numbers = comparison.numbers()
    keys = ("AP50_first", "AP50_second_by_first", "bound", "low", "high")
    assert [numbers[key] for key in keys] == pytest.approx([1.0] * 5)
    assert numbers["per_class"] == {"RBC": [1.0] * 4, "WBC": [1.0] * 4}
    comparison.draw(tmp_path / "drawings")
    assert len(list((tmp_path / "drawings").glob("*.jpg"))) == len(dataset)
    assert as_truths(found)[0].labels.tolist() == found[0].labels.tolist()


def test_confident_detections_reach_the_threshold_of_their_class():
    sure = Sure(Fixed([]), torch.tensor([0.5, 0.8]))
    found = [detections(BOXES, [0, 1, 1], [0.5, 0.7, 0.9])]
    assert sure.confident(found)[0].labels.tolist() == [0, 1]
    assert sure.confident(found, 0.7)[0].labels.tolist() == [0, 1, 1]


def test_the_command_trains_both_halves_once(tmp_path, monkeypatch, capsys):
    folder = make_cells(tmp_path / "cells")
    trained = []

    def of(_run, folder, _unseen):
        dataset = singleshot.open_dataset(folder, split="test")
        truths = [dataset.truth(index) for index in range(len(dataset))]
        found = [detections(one.boxes, one.labels.tolist()) for one in truths]
        return Sure(Fixed(found), torch.tensor([0.5, 0.5]))

    monkeypatch.setattr(Ours, "train_only", lambda _, job: trained.append(job.split))
    monkeypatch.setattr(Sure, "of", of)
    output = tmp_path / "noise.jsonl"
    command = [
        *("--output", str(output), "--folder", str(tmp_path / "work")),
        *("--sets", f"cells={folder}:train:test"),
    ]
    label_noise.main(command)
    label_noise.main(command)
    assert trained == ["half-a-0", "half-b-0"]
    [line] = [json.loads(text) for text in output.read_text().splitlines()]
    assert line["bound"] == 1.0
    assert (
        "| cells, 0 | 1.000 and 1.000 | 1.000 and 1.000 | 1.000 | 1.000 | 1.000 |"
        in capsys.readouterr().out
    )


def test_undefined_numbers_are_named_in_the_table():
    line = {
        **{"set": "a", "seed": 0, "bound": None, "low": None, "high": None, "per_class": {}},
        **dict.fromkeys(("AP50_first", "AP50_second"), 0.5),
        **dict.fromkeys(
            ("AP50_first_by_second", "AP50_second_by_first", "annotated", "true"), None
        ),
        **{
            "other_thresholds": [None, None],
            "unannotated": 0,
            "undetected": 3,
            "annotations": 3,
        },
    }
    assert any("| undefined | undefined to undefined |" in text for text in table([line]))
