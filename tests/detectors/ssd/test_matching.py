import pytest
import torch

from singleshot.detectors.common.box_coding import encode
from singleshot.detectors.common.priors import PriorLevel, prior_boxes
from singleshot.detectors.ssd.matching import (
    PAPER_MATCHING,
    MatchingOptions,
    PreparedMatches,
    SsdOutputs,
    match_by_place,
    match_priors,
    pad_truths,
)
from singleshot.detectors.ssd.priors import Priors
from singleshot.detectors.ssd.settings import MatchingSettings
from singleshot.structures import Truth

# Four cells of 50 pixels in a row, one prior of 40 × 40 each.
SIZE = (50, 200)
LEVEL = PriorLevel((1, 4), (50, 50), (25, 25), ((40, 40),))
PRIORS = Priors(prior_boxes([LEVEL], SIZE), (LEVEL,), SIZE)
FIRST = torch.tensor([[5.0, 5, 45, 45]])  # the box of the first prior
NOTHING = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
ONE = Truth.of(FIRST, torch.tensor([1]))


def outputs(num_images, *, offsets=None):
    if offsets is None:
        offsets = torch.zeros(num_images, 4, 4)
    return SsdOutputs(offsets, torch.zeros(num_images, 4, 3))


def test_the_defaults_of_a_recipe_are_the_papers():
    assert MatchingOptions.from_settings(MatchingSettings()) == PAPER_MATCHING


@pytest.mark.parametrize(
    ("rule", "number"), [("bipartite", 0), ("atss", 9), ("task-aligned", 13), ("simota", 10)]
)
def test_candidates_are_as_many_as_in_each_paper(rule, number):
    assert MatchingOptions(rule).num_candidates == number


def test_priors_that_overlap_learn_the_object():
    matches = match_by_place([NOTHING, ONE], PRIORS)
    assert matches.image.tolist() == [1]
    assert matches.prior.tolist() == [0]
    assert matches.labels.tolist() == [1]
    torch.testing.assert_close(matches.boxes_unit, torch.tensor([[5 / 200, 0.1, 45 / 200, 0.9]]))


def test_crowds_are_left_out():
    crowd = Truth(ONE.boxes, ONE.labels, torch.tensor([False]), torch.tensor([True]), ONE.areas)
    assert len(match_by_place([crowd], PRIORS).prior) == 0


def test_difficult_objects_are_learned():
    difficult = Truth(ONE.boxes, ONE.labels, torch.tensor([True]), torch.tensor([False]), ONE.areas)
    assert len(match_by_place([difficult], PRIORS).prior) == 1


@pytest.mark.parametrize("rule", ["task-aligned", "simota"])
def test_rules_by_predictions_wait_for_the_outputs(rule):
    options = MatchingOptions(rule)
    assert match_by_place([ONE], PRIORS, options) is None
    matched = match_priors([ONE], outputs(1), PRIORS, options)
    assert matched.prior.tolist() == [0]
    assert matched.labels.tolist() == [1]


def test_matches_that_are_known_are_not_searched_again():
    known = match_by_place([ONE], PRIORS)
    matched = match_priors([NOTHING], outputs(1), PRIORS, known=known)
    assert matched.prior.tolist() == [0]


def test_quality_is_the_overlap_of_the_predicted_box():
    # Half of the object, as wide and half as high.
    half = torch.tensor([[5.0, 5, 45, 25]]) / torch.tensor([200, 50, 200, 50])
    offsets = torch.zeros(1, 4, 4)
    offsets[0, 0] = encode(half, PRIORS.boxes_cxcywh_unit[:1], PRIORS.offset_scales)[0]
    matched = match_priors([ONE], outputs(1, offsets=offsets), PRIORS)
    torch.testing.assert_close(matched.quality, torch.tensor([0.5]))
    assert matched.weight.tolist() == [1]


def test_alignment_is_quality_and_weight_of_the_task_aligned_rule():
    matched = match_priors([ONE], outputs(1), PRIORS, MatchingOptions("task-aligned"))
    # Of an object's best match it is its overlap.
    torch.testing.assert_close(matched.quality, torch.tensor([1.0]))
    assert torch.equal(matched.quality, matched.weight)


def test_a_batch_is_padded_to_its_most_objects():
    two = Truth.of(FIRST.repeat(2, 1), torch.tensor([0, 2]))
    padded = pad_truths([ONE, two, NOTHING], torch.device("cpu"))
    assert padded.boxes.shape == (3, 2, 4)
    assert padded.labels.tolist() == [[1, 0], [0, 2], [0, 0]]
    assert pad_truths([NOTHING], torch.device("cpu")).boxes.tolist() == [[[0, 0, 0, 0]]]


def test_prepared_matches_keep_their_weight_on_another_device():
    matches = match_by_place([ONE], PRIORS)
    prepared = PreparedMatches(len(matches.prior), matches).to(torch.device("cpu"))
    assert prepared.weight == 1
    assert torch.equal(prepared.matches.prior, matches.prior)
