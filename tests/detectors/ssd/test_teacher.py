"""An SSD as the teacher of another."""

import pytest
import torch

from singleshot.detectors.ssd.distillation import DistilledSsd, SsdTeacher
from singleshot.detectors.ssd.losses.distillation import Findings, Opinion
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
    student, theirs = detector(["person", "bird"]), detector(["cat", "airplane", "person"], seed=1)
    teacher = teacher_of(student, theirs)
    lesson = teacher.outputs(batch.images, 1.0)
    logits = theirs.said(batch.images.float()).logits.softmax(dim=-1)
    expected = torch.stack([logits[..., :3].sum(dim=-1), logits[..., 3]], dim=-1)
    assert isinstance(lesson.said, Opinion)
    torch.testing.assert_close(lesson.said.scores, expected)
    assert lesson.columns.tolist() == [0, 1]
    assert teacher.describe(student) == (
        "distils person by scores at every prior; without a teacher: bird"
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
    lesson = teacher.outputs(batch.images, 1.0)
    assert isinstance(lesson.said, Findings)
    for truth, scores, found in zip(*lesson.said, theirs.detect(list(batch.images)), strict=True):
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
    said = teacher_of(student, theirs, score_threshold=1.0).outputs(batch.images, 1.0).said
    assert [len(truth) for truth in said.truths] == [0, 0]
