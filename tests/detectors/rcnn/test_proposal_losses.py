import math

import pytest
import torch

from singleshot.detectors.rcnn.proposals import (
    AnchorSampling,
    Proposals,
    label_anchors,
    proposal_losses,
)
from singleshot.detectors.rcnn.settings import ProposalSettings
from singleshot.structures import Objects

SIZE = (96, 128)
SETTINGS = AnchorSampling.from_settings(ProposalSettings())


def objects_at(*boxes):
    return Objects(torch.tensor(boxes).float().reshape(-1, 4), torch.zeros(len(boxes), dtype=int))


@pytest.fixture
def anchors(random):
    corners = torch.randint(-20, 110, (400, 2), generator=random)
    sides = torch.randint(4, 60, (400, 2), generator=random)
    return torch.cat([corners, corners + sides], dim=1).float()


TWO = objects_at((10, 10, 40, 45), (60, 30, 120, 90))


def literal_labels(anchors, truths, size, positive, negative):
    """anchor_target_layer.py, anchor by anchor; half-open, as our overlaps are."""
    height, width = size
    inside = [x1 >= 0 and y1 >= 0 and x2 <= width and y2 <= height for x1, y1, x2, y2 in anchors]
    overlaps = [[iou(anchor, truth) for truth in truths] for anchor in anchors]
    best = [
        max(row[place] for row, is_in in zip(overlaps, inside, strict=True) if is_in)
        for place in range(len(truths))
    ]
    labels = []
    for row, is_in in zip(overlaps, inside, strict=True):
        label = 0 if max(row) < negative else -1
        if max(row) >= positive or any(a == b > 0 for a, b in zip(row, best, strict=True)):
            label = 1
        labels.append(label if is_in else -1)
    return labels


def test_labels_are_those_of_the_literal_rules(anchors):
    labels = label_anchors(anchors, TWO, SIZE, SETTINGS).labels
    expected = literal_labels(anchors.tolist(), TWO.boxes.tolist(), SIZE, 0.7, 0.3)
    assert labels.tolist() == expected
    assert {-1, 0, 1} == set(expected)


def test_an_object_that_no_anchor_overlaps_well_has_its_best():
    anchors = torch.tensor([[0.0, 0, 10, 10], [0, 0, 20, 20], [50, 50, 60, 60]])
    labelled = label_anchors(anchors, objects_at((0, 0, 40, 40)), SIZE, SETTINGS)
    # Of overlaps of 1/16 and 1/4 the better one counts, though both are below 0.3.
    assert labelled.labels.tolist() == [0, 1, 0]


def test_an_object_beyond_all_anchors_has_none():
    anchors = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    labelled = label_anchors(anchors, objects_at((80, 80, 90, 90)), SIZE, SETTINGS)
    assert labelled.labels.tolist() == [0, 0]


def test_without_objects_every_anchor_within_the_image_shows_none(anchors):
    labels = label_anchors(anchors, objects_at(), SIZE, SETTINGS).labels
    within = literal_labels(anchors.tolist(), [(0, 0, 1, 1)], SIZE, 2, 2)
    assert sum(labels == 0) == within.count(0) + within.count(1)


def test_anchors_across_the_border_learn_where_the_recipe_lets_them():
    anchors = torch.tensor([[-5.0, 0, 10, 10], [0, 0, 10, 10]])
    truth = objects_at((0, 0, 10, 10))
    for inside, expected in ((True, [-1, 1]), (False, [-1, 1])):
        settings = AnchorSampling.from_settings(ProposalSettings(inside=inside, positive_iou=0.9))
        assert label_anchors(anchors, truth, SIZE, settings).labels.tolist() == expected
    settings = AnchorSampling.from_settings(ProposalSettings(inside=False, positive_iou=0.6))
    assert label_anchors(anchors, truth, SIZE, settings).labels.tolist() == [1, 1]


def made_up(anchors, num_images):
    torch.manual_seed(0)
    objectness = torch.randn(num_images, len(anchors), requires_grad=True)
    offsets = torch.randn(num_images, len(anchors), 4, requires_grad=True)
    return Proposals(anchors, objectness, offsets, [])


def test_losses_of_all_anchors_are_those_of_the_formula(anchors):
    settings = AnchorSampling.from_settings(ProposalSettings(sampled=10_000))  # nothing is left out
    proposed = made_up(anchors, 1)
    boxes, objectness = proposal_losses(proposed, [TWO], SIZE, settings)
    labels = literal_labels(anchors.tolist(), TWO.boxes.tolist(), SIZE, 0.7, 0.3)
    expected_boxes = expected_objectness = 0.0
    for anchor, label, logit, outputs in zip(
        anchors.tolist(), labels, proposed.objectness[0].tolist(), proposed.offsets[0], strict=True
    ):
        if label < 0:
            continue
        expected_objectness += math.log(1 + math.exp(-logit if label else logit))
        if label:
            truth = max(TWO.boxes.tolist(), key=lambda box, a=anchor: iou(a, box))
            for number, targets in zip(
                outputs.tolist(), literal_offsets(anchor, truth), strict=True
            ):
                apart = abs(number - targets)
                # py-faster-rcnn's smooth L1 with σ = 3.
                expected_boxes += 4.5 * apart**2 if apart < 1 / 9 else apart - 1 / 18
    learned = len(labels) - labels.count(-1)
    assert float(boxes.detach()) == pytest.approx(expected_boxes / learned, rel=1e-4)
    assert float(objectness.detach()) == pytest.approx(expected_objectness / learned, rel=1e-4)


def test_offsets_are_in_the_scales_of_the_settings():
    anchors = torch.tensor([[10.0, 10, 30, 50]])
    shown = objects_at((14, 10, 34, 50))  # a fifth of the width to the right
    for scales, outputs in (((1.0, 1.0), 0.2), ((0.1, 0.2), 2.0)):
        settings = AnchorSampling.from_settings(ProposalSettings(offset_scales=scales))
        offsets = torch.tensor([[[outputs, 0, 0, 0]]])
        boxes, _ = proposal_losses(
            Proposals(anchors, torch.zeros(1, 1), offsets, []), [shown], SIZE, settings
        )
        assert float(boxes) == pytest.approx(0, abs=1e-6)


def literal_offsets(box, truth):
    """bbox_transform.py, half-open."""
    wide, high = box[2] - box[0], box[3] - box[1]
    x, y = box[0] + wide / 2, box[1] + high / 2
    truth_wide, truth_high = truth[2] - truth[0], truth[3] - truth[1]
    truth_x, truth_y = truth[0] + truth_wide / 2, truth[1] + truth_high / 2
    return (
        (truth_x - x) / wide,
        (truth_y - y) / high,
        math.log(truth_wide / wide),
        math.log(truth_high / high),
    )


def test_at_most_256_anchors_learn_and_half_of_them_objects():
    anchors = torch.tensor([[10.0, 10, 40, 45]] * 200 + [[50.0, 0, 60, 10]] * 900)
    proposed = made_up(anchors, 1)
    sum(proposal_losses(proposed, [TWO], SIZE, SETTINGS)).backward()
    learned = proposed.objectness.grad[0] != 0
    assert learned[:200].sum() == 128
    assert learned[200:].sum() == 128


def test_images_count_alike_however_many_anchors_learn(anchors):
    both = proposal_losses(made_up(anchors, 2), [TWO, objects_at()], SIZE, all_of_them())
    proposed = made_up(anchors, 2)
    alone = [
        proposal_losses(
            Proposals(anchors, proposed.objectness[[place]], proposed.offsets[[place]], []),
            [shown],
            SIZE,
            all_of_them(),
        )
        for place, shown in enumerate((TWO, objects_at()))
    ]
    for together, first, second in zip(both, *alone, strict=True):
        torch.testing.assert_close(together, first + second)


def all_of_them():
    return AnchorSampling.from_settings(ProposalSettings(sampled=10_000))


def test_an_image_without_a_single_anchor_within_costs_nothing():
    anchors = torch.tensor([[-5.0, -5, 200, 200]])
    losses = proposal_losses(made_up(anchors, 1), [TWO], SIZE, SETTINGS)
    assert [float(loss.detach()) for loss in losses] == [0, 0]


def iou(one, other):
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    common = max(wide, 0) * max(high, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return common / (areas - common)
