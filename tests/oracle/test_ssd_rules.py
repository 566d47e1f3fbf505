"""Ours against the published rules, on random inputs."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ssd_rules

from singleshot.boxes.iou import pairwise_iou
from singleshot.models.ssd.loss import Targets, hard_negatives, multibox_loss
from singleshot.models.ssd.matching import match
from singleshot.models.ssd.priors import PriorLevel, prior_boxes, shapes_by_rule

seeds = st.integers(0, 2**32 - 1)


def random_boxes(random: np.random.Generator, number: int, *, coarse: bool) -> torch.Tensor:
    corners = random.random((number, 2)) * 0.8
    sides = random.random((number, 2)) * 0.5
    boxes = np.concatenate([corners, corners + sides], axis=1)
    if coarse:  # ties, and boxes without area
        boxes = np.round(boxes * 4) / 4
    return torch.from_numpy(boxes).float()


@given(seeds, st.integers(1, 12), st.integers(0, 6), st.booleans())
@settings(max_examples=300, deadline=None)
def test_matching_is_the_original_greedy_rule(seed, num_priors, num_truths, coarse):
    random = np.random.default_rng(seed)
    truths = random_boxes(random, num_truths, coarse=coarse)
    priors = random_boxes(random, num_priors, coarse=coarse)
    iou = pairwise_iou(truths, priors)
    overlaps = np.array(
        [
            [ssd_rules.jaccard(p, t) for t in truths.double().numpy()]
            for p in priors.double().numpy()
        ]
    ).reshape(num_priors, num_truths)
    np.testing.assert_allclose(iou.T.numpy(), overlaps, atol=1e-5)
    # The rule is compared on the same overlaps, since ties hang on the last bit.
    expected = ssd_rules.match(iou.T.numpy(), 0.5)
    padding = torch.zeros(1, num_priors)
    found = match(torch.cat([iou, padding])[None], 0.5)[0]
    assert found.tolist() == expected


@given(seeds, st.integers(1, 40), st.integers(0, 10))
@settings(max_examples=200, deadline=None)
def test_mining_takes_the_hardest_three_for_each_positive(seed, num_priors, num_positive):
    random = np.random.default_rng(seed)
    losses = random.random(num_priors).astype(np.float32)
    matches = np.full(num_priors, -1)
    matches[random.permutation(num_priors)[:num_positive]] = 0
    expected = ssd_rules.hard_negatives(losses, matches, 3)
    found = hard_negatives(
        torch.from_numpy(losses)[None], torch.from_numpy(matches == 0)[None], ratio=3.0
    )
    assert found[0].nonzero()[:, 0].tolist() == expected


@given(seeds, st.integers(1, 3), st.integers(1, 30), st.integers(2, 5))
@settings(max_examples=100, deadline=None)
def test_the_loss_is_the_original_one(seed, batch, num_priors, num_columns):
    random = np.random.default_rng(seed)
    offsets, targets = random.normal(size=(2, batch, num_priors, 4))
    logits = 3 * random.normal(size=(batch, num_priors, num_columns))
    columns = random.integers(0, num_columns, (batch, num_priors))
    columns[random.random((batch, num_priors)) < 0.7] = 0
    expected = ssd_rules.multibox_loss(offsets, logits, targets, columns, 3)
    found = multibox_loss(
        torch.from_numpy(offsets),
        torch.from_numpy(logits),
        Targets(torch.from_numpy(columns), torch.from_numpy(targets[columns > 0])),
        negatives_per_positive=3.0,
        min_negatives=0,
    )
    np.testing.assert_allclose([float(term) for term in found], expected, rtol=1e-6)


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.floats(4, 100),
    st.integers(8, 300),
    st.integers(8, 300),
    st.lists(st.sampled_from([2.0, 3.0]), max_size=2, unique=True),
    st.tuples(st.integers(64, 512), st.integers(64, 512)),
)
@settings(deadline=None)
def test_priors_are_the_original_ones(grid, step, size, next_size, ratios, image):
    shapes = shapes_by_rule(float(size), float(next_size), ratios)
    level = PriorLevel(grid, (step, step), (step / 2, step / 2), shapes)
    expected = ssd_rules.priors(grid, step, size, next_size, ratios, image)
    np.testing.assert_allclose(prior_boxes([level], image).numpy(), expected, rtol=1e-5)
