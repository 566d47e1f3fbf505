"""Ours against the published matching rules, on random inputs, padded."""

# Tests singleshot/detectors/ssd/later_rules.py

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import matching_rules

from singleshot.boxes.geometry import from_unit, to_corners
from singleshot.detectors.common.priors import PriorLevel, prior_boxes
from singleshot.detectors.ssd.later_rules import Predicted, atss, simota, task_aligned
from singleshot.detectors.ssd.matching import prior_strides

SIZE = (120, 160)
LEVELS = [
    PriorLevel((6, 8), (20, 20), (10, 10), ((24, 24), (34, 17), (17, 34))),
    PriorLevel((3, 4), (40, 40), (20, 20), ((60, 60), (80, 40))),
    PriorLevel((1, 1), (120, 160), (60, 80), ((120, 120),)),
]
PRIORS = from_unit(prior_boxes(LEVELS, SIZE), SIZE)
CENTRES = PRIORS[:, :2]
CLASSES = 3

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=40, deadline=None)


def objects(random, number):
    """Boxes from tiny to half the image, and their labels; two rows of padding."""
    corners = random.random((number, 2)) * (130, 90)
    sides = 2 + random.random((number, 2)) ** 2 * 80
    boxes = np.concatenate([np.concatenate([corners, corners + sides], axis=1), np.zeros((2, 4))])
    labels = np.concatenate([random.integers(CLASSES, size=number), [0, 0]])
    return torch.from_numpy(boxes).float()[None], torch.from_numpy(labels)[None]


def predicted(random):
    """Priors moved and stretched a little, and scores that are not sure."""
    noise = torch.from_numpy(random.normal(size=(len(PRIORS), 4))).float()
    boxes = to_corners(
        torch.cat([CENTRES + 3 * noise[:, :2], PRIORS[:, 2:] * (0.2 * noise[:, 2:]).exp()], dim=1)
    )
    scores = torch.from_numpy(0.02 + 0.96 * random.random((len(PRIORS), CLASSES))).float()
    return Predicted(boxes[None], scores[None])


@given(seeds, st.integers(0, 6))
@few
def test_atss_is_the_paper_s_algorithm(seed, number):
    boxes, _ = objects(np.random.default_rng(seed), number)
    sizes = [len(level) for level in LEVELS]
    numbers = [min(9 * level.num_priors_per_cell, len(level)) for level in LEVELS]
    expected = matching_rules.atss(boxes[0, :number].tolist(), PRIORS.tolist(), sizes, numbers)
    assert atss(boxes, PRIORS, LEVELS, candidates=9)[0].tolist() == expected


@given(seeds, st.integers(0, 6))
@few
def test_task_aligned_matching_is_the_paper_s(seed, number):
    random = np.random.default_rng(seed)
    (boxes, labels), outputs = objects(random, number), predicted(random)
    owner, alignment = matching_rules.task_aligned(
        boxes[0, :number].tolist(),
        labels[0, :number].tolist(),
        outputs.boxes[0].tolist(),
        outputs.scores[0].tolist(),
        CENTRES.tolist(),
        13,
    )
    found = task_aligned(boxes, labels, outputs, CENTRES, candidates=13)
    assert found.truths[0].tolist() == owner
    np.testing.assert_allclose(found.alignment[0].numpy(), alignment, rtol=1e-4)


@given(seeds, st.integers(0, 6))
@few
def test_simota_is_yolox_s(seed, number):
    random = np.random.default_rng(seed)
    (boxes, labels), outputs = objects(random, number), predicted(random)
    strides = prior_strides(LEVELS, like=PRIORS)
    expected = matching_rules.simota(
        boxes[0, :number].tolist(),
        labels[0, :number].tolist(),
        outputs.boxes[0].tolist(),
        outputs.scores[0].tolist(),
        CENTRES.tolist(),
        strides.tolist(),
        10,
    )
    found = simota(boxes, labels, outputs, CENTRES, strides=strides, candidates=10)
    assert found[0].tolist() == expected


def test_images_of_a_batch_do_not_meet():
    random = np.random.default_rng(1)
    first, second = objects(random, 3), objects(random, 3)
    one, other = predicted(random), predicted(random)
    boxes, labels = (torch.cat(pair) for pair in zip(first, second, strict=True))
    both = Predicted(*(torch.cat(pair) for pair in zip(one, other, strict=True)))
    strides = prior_strides(LEVELS, like=PRIORS)
    for rule in (
        lambda b, _labels, _outputs: atss(b, PRIORS, LEVELS, candidates=9),
        lambda b, n, o: task_aligned(b, n, o, CENTRES, candidates=13).alignment,
        lambda b, n, o: simota(b, n, o, CENTRES, strides=strides, candidates=10),
    ):
        alone = torch.cat([rule(*first, one), rule(*second, other)])
        assert torch.equal(rule(boxes, labels, both), alone)
