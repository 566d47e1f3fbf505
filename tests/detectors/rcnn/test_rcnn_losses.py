import pytest
import torch

from singleshot.detectors.common.regions import LabelledRegions
from singleshot.detectors.rcnn.losses import offset_targets
from singleshot.detectors.rcnn.rcnn import box_costs, svm_costs
from singleshot.detectors.rcnn.settings import StageSettings
from singleshot.structures import Objects

# The first is the truth, the second overlaps it by a quarter, the third not at all.
REGIONS = torch.tensor([[0.0, 0, 10, 10], [0, 0, 5, 5], [20, 20, 30, 30]])
OBJECTS = Objects(REGIONS[:1], torch.tensor([0]))


def numbers_of(settings):
    return {
        "negative_iou": settings.svm_negative_iou,
        "hard_negatives": settings.hard_negatives,
        "positive_weight": settings.svm_positive_weight,
    }


def literal_costs(outputs, settings):
    """max(0, 1 - y f) of every example of two machines, positives counting twice."""
    total = number = 0
    overlaps = {0: [1.0, 0.25, 0.0], 1: [0.0, 0.0, 0.0]}
    for machine in (0, 1):
        negatives = [
            float(outputs[region, machine])
            for region in range(3)
            if overlaps[machine][region] < settings.svm_negative_iou
        ]
        hard = sorted(negatives, reverse=True)[: settings.hard_negatives]
        total += sum(max(0.0, 1 + f) for f in hard)
        number += len(hard)
    total += 2 * max(0.0, 1 - float(outputs[3, 0]))
    return total / (number + 1)


@pytest.mark.parametrize("hard", [1, 2, 96])
def test_hinge_losses_are_those_of_the_formula(hard):
    torch.manual_seed(0)
    outputs = torch.randn(4, 2)
    settings = StageSettings(hard_negatives=hard)
    found = svm_costs(outputs, REGIONS, OBJECTS, **numbers_of(settings))
    assert float(found) == pytest.approx(literal_costs(outputs, settings), rel=1e-5)


def test_an_overlap_of_three_tenths_is_no_negative():
    outputs = torch.zeros(4, 2, requires_grad=True)
    settings = StageSettings(svm_negative_iou=0.25)
    svm_costs(outputs, REGIONS, OBJECTS, **numbers_of(settings)).backward()
    assert (outputs.grad != 0).tolist() == [
        [False, True],
        [False, True],
        [True, True],
        [True, False],
    ]


def test_what_is_right_by_a_margin_costs_nothing():
    outputs = torch.tensor([[-9.0, -1], [-1, -1], [-1, -2], [1, 9]])
    assert svm_costs(outputs, REGIONS, OBJECTS, **numbers_of(StageSettings())) == 0


def test_without_objects_there_are_negatives_alone():
    nothing = Objects(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    assert svm_costs(torch.zeros(3, 2), REGIONS, nothing, **numbers_of(StageSettings())) == 1


def test_boxes_cost_half_their_squared_distance():
    regions = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    truths = torch.tensor([[1.0, 0, 11, 10], [0, 2, 10, 12]])
    labelled = LabelledRegions(regions, torch.tensor([1, 2]), truths)
    # Targets are 0.1 to the right, of the first class, and 0.2 down, of the second.
    targets = offset_targets(labelled, (1.0, 1.0))
    torch.testing.assert_close(targets, torch.tensor([[0.1, 0, 0, 0], [0, 0.2, 0, 0]]))
    found = box_costs(torch.zeros(2, 2, 4), labelled)
    assert float(found) == pytest.approx((0.1**2 + 0.2**2) / 2 / 2)
    assert box_costs(torch.stack([targets, targets], dim=1), labelled) == 0
