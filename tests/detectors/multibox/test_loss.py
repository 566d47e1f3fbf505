"""MultiBox's objective, and the matching that makes it least."""

import sys
from itertools import permutations

import pytest
import torch

from singleshot.detectors.multibox.network import (
    lowest_cost_pairs,
    match_by_distance,
    multibox_losses,
)
from singleshot.detectors.ssd.bipartite import match_overlaps
from singleshot.errors import ModelError
from singleshot.structures import Objects

pytest.importorskip("scipy", reason="needs SciPy: pip install 'singleshot[baselines]'")


@pytest.mark.parametrize("num_truths", [1, 2, 3, 4])
def test_no_other_assignment_costs_less(num_truths, random):
    for _ in range(25):
        cost = torch.rand(6, num_truths, generator=random)
        priors, truths = lowest_cost_pairs(cost)
        least = min(
            sum(float(cost[prior, truth]) for truth, prior in enumerate(chosen))
            for chosen in permutations(range(6), num_truths)
        )
        assert sorted(truths.tolist()) == list(range(num_truths))
        assert len(set(priors.tolist())) == num_truths
        assert float(cost[priors, truths].sum()) == pytest.approx(least)


def test_giving_the_closest_pair_away_first_may_be_dearer():
    # Both objects like the first prior; the second one has nowhere else to go.
    cost = torch.tensor([[0.0, 0.1], [0.2, 0.9]])
    priors, truths = lowest_cost_pairs(cost)
    assert dict(zip(truths.tolist(), priors.tolist(), strict=True)) == {0: 1, 1: 0}
    assert float(cost[priors, truths].sum()) == pytest.approx(0.3)
    greedy = match_overlaps(1 - cost.T[None], iou_threshold=2.0)[0]
    assert greedy.tolist() == [0, 1]  # 0.9 together


def test_objects_beyond_the_number_of_priors_stay_without_one():
    priors, truths = lowest_cost_pairs(torch.tensor([[0.5, 0.1, 0.3]]))
    assert (priors.tolist(), truths.tolist()) == ([0], [1])


def test_the_prior_whose_corners_are_closest_is_matched():
    priors = torch.tensor([[0.0, 0, 1, 1], [0.4, 0.4, 0.6, 0.6], [0.5, 0.5, 1, 1]])
    found, _ = match_by_distance(priors, torch.tensor([[0.55, 0.5, 0.9, 1]]))
    assert found.tolist() == [2]


def test_the_objective_is_the_formula_of_the_paper():
    priors = torch.tensor([[0.0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]])
    outputs = torch.tensor([[[0.1, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]])
    confidence = torch.tensor([[0.8, 0.3]])
    objects = Objects(torch.tensor([[0.0, 0, 50, 100]]), torch.tensor([0]))
    losses = multibox_losses(
        outputs, confidence.logit(), priors, [objects], (200, 100), localization_weight=0.3
    )
    # α ½ ‖l - g‖² with g = (0, 0, 0.5, 0.5), and -log 0.8 - log(1 - 0.3).
    assert float(losses.terms["localization"]) == pytest.approx(0.3 * 0.01 / 2)
    assert float(losses.terms["classification"]) == pytest.approx(0.2231 + 0.3567, abs=1e-4)
    assert losses.num_matches == 1


def test_a_batch_costs_the_mean_of_its_images_and_an_empty_one_its_confidence():
    priors = torch.tensor([[0.0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]])
    shown = Objects(torch.tensor([[10.0, 0, 50, 50]]), torch.tensor([0]))
    nothing = Objects(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    losses = multibox_losses(
        priors.expand(2, 2, 4),
        torch.zeros(2, 2),
        priors,
        [shown, nothing],
        (100, 100),
        localization_weight=2.0,
    )
    assert float(losses.terms["localization"]) == pytest.approx(0.1**2 / 2)
    assert float(losses.terms["classification"]) == pytest.approx(2 * 0.6931, abs=1e-4)


def test_without_scipy_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ModelError, match=r"singleshot\[baselines\]"):
        lowest_cost_pairs(torch.zeros(2, 1))
