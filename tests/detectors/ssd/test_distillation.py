"""An SSD as the teacher of another."""

import math

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.ssd.distillation import (
    DistilledSsd,
    SsdTeacher,
    TeacherDetections,
    TeacherOutputs,
    distillation_loss,
    outputs_from_detections,
)
from singleshot.detectors.ssd.matching import Matched, SsdOutputs
from singleshot.detectors.ssd.priors import Priors
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Truth

SMALL = {
    "model.input": [96, 128],
    "model.backbone": {
        "kind": "timm",
        "name": "mobilenetv3_small_050",
        "strides": [8, 16, 32],
        "weights": "none",
    },
}


def detector(class_names, seed=0, **more):
    torch.manual_seed(seed)
    recipe = load_recipe("ssdlite320-lite0", {**SMALL, **more})
    return build_detector(recipe.model, class_names, pretrained=False)


def teacher_of(student, theirs, score_threshold=0.3):
    return SsdTeacher.of(theirs, student, score_threshold=score_threshold, source="runs/large")


def distilled(student, theirs, weight=1.0):
    return DistilledSsd(student, teacher_of(student, theirs), weight)


@pytest.fixture
def batch(random):
    images = torch.randint(256, (2, 3, 96, 128), generator=random, dtype=torch.uint8)
    truth = Truth.of(torch.tensor([[20.0, 10.0, 60.0, 50.0]]), torch.tensor([0]))
    return Batch(images, (truth, truth), ("a", "b"))


def test_the_student_as_its_own_teacher_adds_nothing(batch):
    for scores in ("softmax", "sigmoid"):
        student = detector(["cat", "dog"], **{"model.heads.scores": scores})
        theirs = detector(["cat", "dog"], **{"model.heads.scores": scores})
        losses = distilled(student, theirs).losses(batch)
        assert losses.terms["distillation"].item() == pytest.approx(0, abs=1e-4)
        assert losses.total.item() == pytest.approx(student.losses(batch).total.item(), abs=1e-4)


def test_another_detector_adds_a_loss_and_does_not_change(batch):
    student, theirs = detector(["cat", "dog"]), detector(["cat", "dog"], seed=1)
    before = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    losses = distilled(student.train(), theirs.train()).losses(batch)
    losses.total.backward()
    assert losses.terms["distillation"] > 0.01
    assert not theirs.training
    assert all(parameter.grad is None for parameter in theirs.parameters())
    assert all(torch.equal(before[name], now) for name, now in theirs.state_dict().items())


def test_the_term_is_weighted(batch):
    student, theirs = detector(["cat"]), detector(["cat"], seed=1)
    full, half = (
        distilled(student, theirs, weight).losses(batch).terms["distillation"]
        for weight in (1.0, 0.5)
    )
    torch.testing.assert_close(half, full / 2)


def test_classes_go_by_name_and_those_the_student_lacks_are_background(batch):
    student, theirs = detector(["dog", "bird"]), detector(["cat", "airplane", "dog"], seed=1)
    teacher = teacher_of(student, theirs)
    targets = teacher.targets(batch.images)
    logits = theirs.raw_outputs(batch.images.float()).logits.softmax(dim=-1)
    expected = torch.stack([logits[..., :3].sum(dim=-1), logits[..., 3]], dim=-1)
    assert isinstance(targets, TeacherOutputs)
    torch.testing.assert_close(targets.scores, expected)
    assert teacher.columns.tolist() == [0, 1]
    assert teacher.describe(student) == (
        "distils dog by scores at every prior; without a teacher: bird"
    )


def test_a_teacher_without_a_common_class_is_refused():
    with pytest.raises(ModelError, match="runs/large: has the classes cat, dog, and the images"):
        teacher_of(detector(["cell"]), detector(["cat", "dog"]))


@pytest.mark.parametrize(
    "other",
    [{"model.input": [160, 224]}, {"model.heads.scores": "sigmoid"}],
    ids=["larger input", "other scores"],
)
def test_a_teacher_with_other_outputs_gives_its_detections(batch, other):
    all_of_it = {"model.results.score_threshold": 0.0, "model.results.keep": 5000}
    student = detector(["dog", "cat"])
    theirs = detector(["cat", "dog", "bird"], seed=1, **other, **all_of_it)
    teacher = teacher_of(student, theirs, score_threshold=0.0)
    targets = teacher.targets(batch.images)
    assert isinstance(targets, TeacherDetections)
    for truth, scores, found in zip(*targets, theirs.detect(list(batch.images)), strict=True):
        known = found[found.labels < 2]
        wide = (known.boxes[:, 2:] - known.boxes[:, :2]).amin(dim=1) >= 1
        assert len(truth) == wide.sum() > 0
        torch.testing.assert_close(truth.boxes, known.boxes[wide])
        torch.testing.assert_close(scores, known.scores[wide])
        assert torch.equal(truth.labels, 1 - known.labels[wide])
    losses = DistilledSsd(student.train(), teacher, 1.0).losses(batch)
    losses.total.backward()
    assert losses.terms["distillation"] > 0


def test_detections_with_a_low_score_are_no_targets(batch):
    student = detector(["cat"])
    theirs = detector(["cat"], seed=1, **{"model.input": [160, 224]})
    targets = teacher_of(student, theirs, score_threshold=1.0).targets(batch.images)
    assert [len(truth) for truth in targets.truths] == [0, 0]


# Five in a row, without overlap, each a tenth of the image.
PRIORS = torch.tensor([[0.1 + 0.2 * place, 0.5, 0.1, 0.1] for place in range(5)])
ROW = Priors(PRIORS, (), (300, 300))


def loss_of(scores, logits, columns, *, matches=(0,), label=0, offsets=0.0, kind="softmax"):
    """An image whose labels match these priors; boxes are half an offset from each prior."""
    scores = torch.tensor([scores])
    image, prior = (torch.tensor(rows, dtype=torch.int64) for rows in ([0] * len(matches), matches))
    one = torch.ones(len(matches))
    boxes = decode(torch.full((1, len(PRIORS), 4), 0.5), PRIORS, (0.1, 0.2))
    sum_ = distillation_loss(
        SsdOutputs(torch.full((1, len(PRIORS), 4), offsets), logits),
        Matched(image, prior, torch.full_like(prior, label), boxes[image, prior], one, one),
        TeacherOutputs(scores, boxes),
        ROW,
        columns=torch.tensor(columns),
        scores=kind,
    )
    return sum_ / max(len(matches), 1)


def test_a_flat_student_learns_one_object_and_its_box():
    scores = [[0.2, 0.8]] + [[1.0, 0.0]] * 4
    found = loss_of(scores, torch.zeros(1, 5, 2), [0, 1])
    # Of four priors, three are certain background: log 2 each. Smooth L1 of 0.5 four times.
    object_ = 0.2 * math.log(0.2 / 0.5) + 0.8 * math.log(0.8 / 0.5)
    assert found.item() == pytest.approx(object_ + 3 * math.log(2) + 0.8 * 4 * 0.125)


def test_the_sum_is_divided_by_the_number_of_matches():
    scores = [[0.2, 0.8]] * 2 + [[1.0, 0.0]] * 3
    object_ = 0.2 * math.log(0.2 / 0.5) + 0.8 * math.log(0.8 / 0.5) + 0.8 * 4 * 0.125
    found = loss_of(scores, torch.zeros(1, 5, 2), [0, 1], matches=(0, 1))
    assert found.item() == pytest.approx((2 * object_ + 3 * math.log(2)) / 2)


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_a_student_with_equal_outputs_has_no_loss(kind, random):
    logits = 4 * torch.randn(1, 5, 3, generator=random)
    scores = logits.softmax(dim=-1) if kind == "softmax" else logits.sigmoid()
    logits.requires_grad_()
    found = loss_of(scores[0].tolist(), logits, [0, 1, 2], offsets=0.5, kind=kind)
    found.backward()
    assert found.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad.abs().max() < 1e-6


def test_an_object_without_a_label_is_distilled_too():
    scores = [[0.2, 0.8]] + [[1.0, 0.0]] * 3 + [[0.1, 0.9]]
    logits = torch.zeros(1, 5, 2).requires_grad_()
    loss_of(scores, logits, [0, 1]).backward()
    # It differs less than the sure background does; of three others it must not be the last.
    sure = torch.tensor([[4.0, -4.0]]).repeat(5, 1)[None].requires_grad_()
    loss_of(scores, sure, [0, 1]).backward()
    assert sure.grad[0, 4, 1] < -0.8


def test_a_class_that_the_teacher_lacks_is_left_to_the_labels():
    scores = [[1.0, 0.0]] * 5
    logits = torch.zeros(1, 5, 3).requires_grad_()
    loss_of(scores, logits, [0, 1], label=1).backward()
    assert (logits.grad[0, 0] == 0).all()
    assert (logits.grad[..., 2] == 0).all()
    assert logits.grad[0, 1:, 0].count_nonzero() == 3


def test_without_labels_and_least_negatives_the_loss_is_zero():
    assert loss_of([[0.2, 0.8]] * 5, torch.zeros(1, 5, 2), [0, 1], matches=()) == 0


def test_it_is_float32_under_mixed_precision(random):
    logits, scores = torch.randn(2, 1, 5, 3, generator=random)
    plain = loss_of(scores[0].softmax(-1).tolist(), logits, [0, 1, 2])
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss_of(scores[0].softmax(-1).tolist(), logits, [0, 1, 2])
    assert mixed.dtype == torch.float32
    assert mixed == plain


def test_a_detection_is_the_target_of_the_prior_it_overlaps():
    box = decode(torch.full((1, 4), 0.5), PRIORS[3:4], (0.1, 0.2)) * 300
    nothing = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    found = TeacherDetections(
        [nothing, Truth.of(box, torch.tensor([1]))], [torch.zeros(0), torch.full((1,), 0.7)]
    )
    outputs = SsdOutputs(torch.zeros(2, 5, 4), torch.zeros(2, 5, 3))
    softmax = outputs_from_detections(found, outputs, ROW)
    torch.testing.assert_close(softmax.scores[1, 3], torch.tensor([0.3, 0.0, 0.7]))
    torch.testing.assert_close(softmax.boxes_unit[1, 3] * 300, box[0])
    assert (softmax.scores[..., 0] == 1).sum() == 9
    sigmoid = outputs_from_detections(found, outputs, ROW, scores="sigmoid")
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
    found = TeacherDetections([Truth.of(box, torch.tensor([1]))], [scores])
    outputs = SsdOutputs(torch.zeros(1, 5, 4), torch.zeros(1, 5, 3))
    targets = outputs_from_detections(found, outputs, ROW)
    assert type(targets.scores) is Tensor
    assert targets.scores[0, 3, 2] == pytest.approx(0.7)


def test_images_in_which_nothing_was_found_are_background():
    nothing = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    outputs = SsdOutputs(torch.zeros(1, 5, 4), torch.zeros(1, 5, 3))
    targets = outputs_from_detections(TeacherDetections([nothing], [torch.zeros(0)]), outputs, ROW)
    assert (targets.scores[..., 0] == 1).all()
