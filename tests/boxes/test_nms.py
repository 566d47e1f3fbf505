"""The kinds of NMS against their published loops, written out box by box."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.boxes.geometry import pairwise_iou
from singleshot.boxes.nms import diou_nms, nms, soft_nms, weighted_nms

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)


def overlapping_boxes(seed, number=25):
    """Boxes that overlap a lot, of two labels."""
    random = torch.Generator().manual_seed(seed)
    corners, sides = torch.rand(2, number, 2, generator=random)
    boxes = torch.cat([40 * corners, 40 * corners + 10 + 40 * sides], dim=1)
    return boxes, torch.rand(number, generator=random), torch.arange(number) % 2


def boxes_of(seed, number=20):
    numbers = torch.rand(2, number, 2, generator=torch.Generator().manual_seed(seed))
    return torch.cat([100 * numbers[0], 100 * numbers[0] + 1 + 50 * numbers[1]], dim=1)


def iou(a, b):
    return pairwise_iou(a[None], b[None]).item()


def diou(a, b):
    distance = math.dist((a[:2] + a[2:]) / 2, (b[:2] + b[2:]) / 2)
    diagonal = math.dist(torch.minimum(a[:2], b[:2]), torch.maximum(a[2:], b[2:]))
    return iou(a, b) - (distance / diagonal) ** 2


def clusters(boxes, scores, labels, closeness, threshold):
    """Index of the best box: all indices that it removes, and itself."""
    left = sorted(range(len(boxes)), key=lambda i: -scores[i])
    result = {}
    while left:
        best = left[0]
        close = [
            i
            for i in left
            if i == best
            or (labels[i] == labels[best] and closeness(boxes[i], boxes[best]) > threshold)
        ]
        result[best] = close
        left = [i for i in left if i not in close]
    return result


@given(seeds)
def test_nms_leaves_no_overlap_within_a_class_and_all_of_other_classes(seed):
    boxes = boxes_of(seed) - 60  # some reach beyond the image
    random = torch.Generator().manual_seed(seed)
    scores = torch.rand(20, generator=random)
    labels = torch.randint(3, (20,), generator=random)
    kept = nms(boxes, scores, labels, 0.3)
    assert (scores[kept].diff() <= 0).all()
    for label in range(3):
        ours = kept[labels[kept] == label]
        alone = (labels == label).nonzero()[:, 0]
        expected = nms(boxes[alone], scores[alone], torch.zeros_like(alone), 0.3)
        assert ours.tolist() == alone[expected].tolist()


@given(seeds)
@few
def test_diou_nms_is_the_greedy_loop_on_diou(seed):
    boxes, scores, labels = overlapping_boxes(seed)
    expected = clusters(boxes, scores, labels, diou, 0.3)
    assert diou_nms(boxes, scores, labels, 0.3).tolist() == list(expected)


@given(seeds)
@few
def test_averaged_boxes_are_the_means_of_removed_boxes(seed):
    boxes, scores, labels = overlapping_boxes(seed)
    expected = clusters(boxes, scores, labels, iou, 0.3)
    kept, averaged = weighted_nms(boxes, scores, labels, 0.3)
    assert kept.tolist() == list(expected)
    for box, members in zip(averaged, expected.values(), strict=True):
        mean = (boxes[members] * scores[members, None]).sum(0) / scores[members].sum()
        torch.testing.assert_close(box, mean)


@given(seeds)
@few
def test_soft_nms_is_the_published_loop(seed):
    boxes, scores, labels = overlapping_boxes(seed)
    expected = scores.tolist()
    left = set(range(len(boxes)))
    while left:
        best = max(left, key=lambda i: expected[i])
        left.remove(best)
        for i in left:
            if labels[i] == labels[best]:
                expected[i] *= math.exp(-(iou(boxes[i], boxes[best]) ** 2) / 0.5)
    decayed = soft_nms(boxes, scores, labels, 0.5)
    torch.testing.assert_close(decayed, torch.tensor(expected))


def test_a_box_beside_another_stays_although_half_of_them_is_common():
    boxes = torch.tensor([[0.0, 0, 30, 10], [10.0, 0, 40, 10]])
    # IoU 20 / 40; centres 10 apart in a hull of 40 by 10: 0.5 - 100 / 1700.
    scores, labels = torch.tensor([0.9, 0.8]), torch.tensor([0, 0])
    assert diou_nms(boxes, scores, labels, 0.45).tolist() == [0, 1]
    assert diou_nms(boxes, scores, labels, 0.44).tolist() == [0]


def test_a_score_decays_once_for_each_better_box():
    boxes = torch.tensor([[0.0, 0, 10, 10]] * 3)
    scores = soft_nms(boxes, torch.tensor([0.5, 0.9, 0.4]), torch.zeros(3).long(), 0.5)
    assert scores.tolist() == pytest.approx([0.5 * math.exp(-2), 0.9, 0.4 * math.exp(-4)])


def test_a_box_without_area_is_its_own_mean():
    boxes = torch.tensor([[1.0, 1, 1, 5]])
    kept, averaged = weighted_nms(boxes, torch.tensor([0.5]), torch.tensor([3]), 0.5)
    assert (kept.tolist(), averaged.tolist()) == ([0], boxes.tolist())


@pytest.mark.parametrize("kind", [nms, diou_nms, soft_nms, weighted_nms])
def test_nothing_to_suppress(kind):
    result = kind(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64), 0.5)
    for tensor in result if isinstance(result, tuple) else (result,):
        assert len(tensor) == 0
