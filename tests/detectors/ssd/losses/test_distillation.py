"""What a student learns from its teacher, at priors of a tenth of the image."""

import math

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.ssd.losses.distillation import (
    Findings,
    Lesson,
    Opinion,
    distillation,
    opinion_of,
)
from singleshot.detectors.ssd.matching.targets import Matched, Outputs
from singleshot.recipes.load import load_recipe
from singleshot.structures import Truth

SOFTMAX = load_recipe("ssd300-vgg16").model
SIGMOID = load_recipe("ssd300-vgg16", {"model.heads.scores": "sigmoid"}).model
# Five in a row, without overlap.
PRIORS = torch.tensor([[0.1 + 0.2 * place, 0.5, 0.1, 0.1] for place in range(5)])


def loss_of(scores, logits, columns, *, matches=(0,), label=0, offsets=0.0, settings=SOFTMAX):
    """An image whose labels match these priors; boxes are half an offset from each prior."""
    scores = torch.tensor([scores])
    image, prior = (torch.tensor(rows, dtype=torch.int64) for rows in ([0] * len(matches), matches))
    one = torch.ones(len(matches))
    boxes = decode(torch.full((1, len(PRIORS), 4), 0.5), PRIORS, (0.1, 0.2))
    sum_ = distillation(
        Outputs(torch.full((1, len(PRIORS), 4), offsets), logits),
        Matched(image, prior, torch.full_like(prior, label), boxes[image, prior], one, one),
        PRIORS,
        [],
        settings,
        lesson=Lesson(Opinion(scores, boxes), torch.tensor(columns), 1.0),
    )
    return sum_ / max(len(matches), 1)


def test_a_flat_student_is_told_of_one_object_and_where_it_is():
    scores = [[0.2, 0.8]] + [[1.0, 0.0]] * 4
    found = loss_of(scores, torch.zeros(1, 5, 2), [0, 1])
    # Of four priors taught, three are surely background: log 2 each. Smooth L1 of 0.5 four times.
    object_ = 0.2 * math.log(0.2 / 0.5) + 0.8 * math.log(0.8 / 0.5)
    assert found.item() == pytest.approx(object_ + 3 * math.log(2) + 0.8 * 4 * 0.125)


def test_the_sum_is_divided_by_the_number_of_matches():
    scores = [[0.2, 0.8]] * 2 + [[1.0, 0.0]] * 3
    object_ = 0.2 * math.log(0.2 / 0.5) + 0.8 * math.log(0.8 / 0.5) + 0.8 * 4 * 0.125
    found = loss_of(scores, torch.zeros(1, 5, 2), [0, 1], matches=(0, 1))
    assert found.item() == pytest.approx((2 * object_ + 3 * math.log(2)) / 2)


@pytest.mark.parametrize("settings", [SOFTMAX, SIGMOID], ids=["softmax", "sigmoid"])
def test_a_student_that_says_the_same_has_nothing_to_learn(settings, random):
    logits = 4 * torch.randn(1, 5, 3, generator=random)
    kind = settings.heads.scores
    scores = logits.softmax(dim=-1) if kind == "softmax" else logits.sigmoid()
    logits.requires_grad_()
    found = loss_of(scores[0].tolist(), logits, [0, 1, 2], offsets=0.5, settings=settings)
    found.backward()
    assert found.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad.abs().max() < 1e-6


def test_an_object_without_a_label_is_taught_too():
    scores = [[0.2, 0.8]] + [[1.0, 0.0]] * 3 + [[0.1, 0.9]]
    logits = torch.zeros(1, 5, 2).requires_grad_()
    loss_of(scores, logits, [0, 1]).backward()
    # It differs less than the sure background does; of three others it must not be the last.
    sure = torch.tensor([[4.0, -4.0]]).repeat(5, 1)[None].requires_grad_()
    loss_of(scores, sure, [0, 1]).backward()
    assert sure.grad[0, 4, 1] < -0.8


def test_a_class_that_the_teacher_does_not_know_is_left_to_the_labels():
    scores = [[1.0, 0.0]] * 5
    logits = torch.zeros(1, 5, 3).requires_grad_()
    loss_of(scores, logits, [0, 1], label=1).backward()
    assert (logits.grad[0, 0] == 0).all()
    assert (logits.grad[..., 2] == 0).all()
    assert logits.grad[0, 1:, 0].count_nonzero() == 3


def test_without_labels_and_least_negatives_nothing_is_taught():
    assert loss_of([[0.2, 0.8]] * 5, torch.zeros(1, 5, 2), [0, 1], matches=()) == 0


def test_it_is_float32_under_mixed_precision(random):
    logits, scores = torch.randn(2, 1, 5, 3, generator=random)
    plain = loss_of(scores[0].softmax(-1).tolist(), logits, [0, 1, 2])
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss_of(scores[0].softmax(-1).tolist(), logits, [0, 1, 2])
    assert mixed.dtype == torch.float32
    assert mixed == plain


def test_a_detection_is_told_to_the_prior_it_overlaps():
    box = decode(torch.full((1, 4), 0.5), PRIORS[3:4], (0.1, 0.2)) * 300
    nothing = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    found = Findings(
        [nothing, Truth.of(box, torch.tensor([1]))], [torch.zeros(0), torch.full((1,), 0.7)]
    )
    outputs = Outputs(torch.zeros(2, 5, 4), torch.zeros(2, 5, 3))
    softmax = opinion_of(found, outputs, PRIORS, [], SOFTMAX)
    torch.testing.assert_close(softmax.scores[1, 3], torch.tensor([0.3, 0.0, 0.7]))
    torch.testing.assert_close(softmax.boxes_unit[1, 3] * 300, box[0])
    assert (softmax.scores[..., 0] == 1).sum() == 9
    sigmoid = opinion_of(found, outputs, PRIORS, [], SIGMOID)
    torch.testing.assert_close(sigmoid.scores[1, 3], torch.tensor([0.0, 0.7, 0.0]))
    assert sigmoid.scores.count_nonzero() == 1


class OnHost(Tensor):
    """Behaves as a tensor of the host beside others that are on a GPU."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is Tensor.to:
            with torch._C.DisableTorchFunctionSubclass():
                return args[0].as_subclass(Tensor)
        assert all(isinstance(leaf, cls) for leaf in tree_leaves(args) if isinstance(leaf, Tensor))
        return super().__torch_function__(func, types, args, kwargs)


def test_detections_come_from_the_host_to_where_the_student_is():
    box = decode(torch.zeros(1, 4), PRIORS[3:4], (0.1, 0.2)) * 300
    scores = torch.full((1,), 0.7).as_subclass(OnHost)
    found = Findings([Truth.of(box, torch.tensor([1]))], [scores])
    outputs = Outputs(torch.zeros(1, 5, 4), torch.zeros(1, 5, 3))
    said = opinion_of(found, outputs, PRIORS, [], SOFTMAX)
    assert type(said.scores) is Tensor
    assert said.scores[0, 3, 2] == pytest.approx(0.7)


def test_images_in_which_nothing_was_found_are_background():
    nothing = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    outputs = Outputs(torch.zeros(1, 5, 4), torch.zeros(1, 5, 3))
    said = opinion_of(Findings([nothing], [torch.zeros(0)]), outputs, PRIORS, [], SOFTMAX)
    assert (said.scores[..., 0] == 1).all()
