"""A detector asked as the teacher of another."""

import pytest
import torch

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.ssd.losses.distillation import Findings, Opinion
from singleshot.detectors.ssd.settings import DistillationSettings
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Truth
from singleshot.training.teacher import Teacher, fingerprint_of

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


def teacher_of(student, theirs, **settings):
    return Teacher.of(
        theirs, student, DistillationSettings(**settings), fingerprint="", place="runs/large"
    )


@pytest.fixture
def batch(random):
    images = torch.randint(256, (2, 3, 96, 128), generator=random, dtype=torch.uint8)
    truth = Truth.of(torch.tensor([[20.0, 10.0, 60.0, 50.0]]), torch.tensor([0]))
    return Batch(images, (truth, truth), ("a", "b"))


def test_the_student_itself_teaches_it_nothing_new(batch):
    for scores in ("softmax", "sigmoid"):
        student = detector(["cat", "dog"], **{"model.heads.scores": scores})
        theirs = detector(["cat", "dog"], **{"model.heads.scores": scores})
        lesson = teacher_of(student, theirs).lesson(batch)
        losses = student.losses(batch, lesson)
        assert losses.distillation.item() == pytest.approx(0, abs=1e-4)
        assert losses.total.item() == pytest.approx(student.losses(batch).total.item(), abs=1e-4)


def test_another_detector_does_and_is_left_as_it_is(batch):
    student, theirs = detector(["cat", "dog"]), detector(["cat", "dog"], seed=1)
    before = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    losses = student.train().losses(batch, teacher_of(student, theirs.train()).lesson(batch))
    losses.total.backward()
    assert losses.distillation > 0.01
    assert not theirs.training
    assert all(parameter.grad is None for parameter in theirs.parameters())
    assert all(torch.equal(before[name], now) for name, now in theirs.state_dict().items())


def test_its_word_is_weighed(batch):
    student, theirs = detector(["cat"]), detector(["cat"], seed=1)
    full, half = (
        student.losses(batch, teacher_of(student, theirs, weight=weight).lesson(batch)).distillation
        for weight in (1.0, 0.5)
    )
    torch.testing.assert_close(half, full / 2)


def test_classes_go_by_name_and_what_the_student_does_not_know_is_background(batch):
    student, theirs = detector(["person", "bird"]), detector(["cat", "airplane", "person"], seed=1)
    teacher = teacher_of(student, theirs)
    lesson = teacher.lesson(batch)
    logits = theirs.said(batch.images.float()).logits.softmax(dim=-1)
    expected = torch.stack([logits[..., :3].sum(dim=-1), logits[..., 3]], dim=-1)
    assert isinstance(lesson.said, Opinion)
    torch.testing.assert_close(lesson.said.scores, expected)
    assert lesson.columns.tolist() == [0, 1]
    assert str(teacher) == "teaches person at every prior; labels alone teach bird"


def test_a_teacher_without_a_common_class_is_refused():
    with pytest.raises(ModelError, match="runs/large: knows cat, dog, but the images have cell;"):
        teacher_of(detector(["cell"]), detector(["cat", "dog"]))


@pytest.mark.parametrize(
    "other",
    [{"model.input": [160, 224]}, {"model.heads.scores": "sigmoid"}],
    ids=["larger input", "other scores"],
)
def test_a_teacher_of_another_kind_tells_what_it_finds(batch, other):
    all_of_it = {"model.results.score_threshold": 0.0, "model.results.keep": 5000}
    student = detector(["dog", "cat"])
    theirs = detector(["cat", "dog", "bird"], seed=1, **other, **all_of_it)
    lesson = teacher_of(student, theirs, score_threshold=0.0).lesson(batch)
    assert isinstance(lesson.said, Findings)
    for truth, scores, found in zip(*lesson.said, theirs.detect(list(batch.images)), strict=True):
        known = found[found.labels < 2]
        wide = (known.boxes[:, 2:] - known.boxes[:, :2]).amin(dim=1) >= 1
        assert len(truth) == wide.sum() > 0
        torch.testing.assert_close(truth.boxes, known.boxes[wide])
        torch.testing.assert_close(scores, known.scores[wide])
        assert torch.equal(truth.labels, 1 - known.labels[wide])
    losses = student.train().losses(batch, lesson)
    losses.total.backward()
    assert losses.distillation > 0


def test_what_is_found_with_a_low_score_is_not_told(batch):
    student = detector(["cat"])
    theirs = detector(["cat"], seed=1, **{"model.input": [160, 224]})
    said = teacher_of(student, theirs, score_threshold=1.0).lesson(batch).said
    assert [len(truth) for truth in said.truths] == [0, 0]


def test_a_fingerprint_is_of_weights_and_classes():
    recipe = load_recipe("ssdlite320-lite0", SMALL)

    def fingerprint(seed, class_names):
        weights = detector(class_names, seed).state_dict()
        return fingerprint_of(Checkpoint(weights, recipe, tuple(class_names), {"step": seed}))

    assert fingerprint(0, ["cat"]) == fingerprint(0, ["cat"])
    assert len({fingerprint(0, ["cat"]), fingerprint(1, ["cat"]), fingerprint(0, ["dog"])}) == 3
