"""Named terms of losses, and their weights."""

import torch

from singleshot.detectors.detector import Losses


def losses(weight: float | torch.Tensor) -> Losses:
    sums = {"localization": torch.tensor(6.0), "classification": torch.tensor(10.0)}
    return Losses.of(sums, weight=weight, num_matches=4)


def test_terms_are_sums_over_their_weight_and_the_total_is_their_sum():
    assert losses(4).terms == {"localization": 1.5, "classification": 2.5}
    assert losses(4).total == 4
    assert losses(torch.tensor(4.0)).terms == losses(4).terms


def test_weights_below_one_count_as_one():
    for weight in (0, 0.5, torch.tensor(0.25)):
        assert losses(weight).total == 16


def test_parts_divided_by_the_weight_of_the_whole_add_up():
    parts = [losses(4).with_weight(16), losses(12).with_weight(16)]
    assert sum(float(part.total) for part in parts) == 2


def test_a_term_has_a_weight_of_its_own():
    more = losses(4).with_term("distillation", torch.tensor(3.0), 2)
    assert list(more.terms) == ["localization", "classification", "distillation"]
    assert more.total == 4 + 1.5
    assert more.num_matches == 4
