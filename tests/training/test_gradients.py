"""Every family: parts of a batch and shares of processes add up to the loss of the whole batch."""

# Tests singleshot/training/gradients.py

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from groups import run_group
from small import SMALL, TINY

from singleshot.detectors.detector import Losses, Objective, Prepared
from singleshot.errors import ModelError
from singleshot.families import FAMILIES, build_detector, distil
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Truth
from singleshot.training.frozen import set_training_mode
from singleshot.training.gradients import Gradients
from singleshot.training.processes import ALONE, Processes

HEIGHT, WIDTH = 96, 128
OBJECTS = (3, 0, 1, 2, 5, 1, 0, 2)  # in each of eight images
NUM_PARTS = 3  # of two and three images
ALL = 100_000  # regions: nothing is left to chance

ONE_MAP = {**TINY, "outputs": ["relu2"]}
TWO_MAPS = {**TINY, "outputs": ["relu1", "relu2"]}
REGIONS = {"model.sampling.regions": ALL, "model.sampling.positives": 0.9}
PROPOSALS = {"model.proposals.sampled": ALL, "model.proposals.positives": 0.9}


class Case(NamedTuple):
    """A recipe, and how far its training is: some have stages."""

    recipe: str
    overrides: dict[str, object]
    part: float = 0.0
    teacher: bool = False
    is_weighed_before: bool = True  # its weight does not depend on outputs


def backbone(settings: dict[str, object]) -> dict[str, object]:
    return {"model.backbone": settings}


SSD = backbone(
    {"kind": "timm", "name": "mobilenetv3_small_050", "strides": [8, 16, 32], "weights": "none"}
)


def ssd(rule: str, classification: str) -> Case:
    """An SSD whose matches depend on outputs."""
    keys = {
        "model.matching.rule": rule,
        "model.heads.scores": "sigmoid",
        "model.loss.classification": classification,
    }
    return Case("ssdlite320-lite0", SSD | keys, is_weighed_before=False)


CASES = {
    "ssd": Case("ssdlite320-lite0", SSD),
    "ssd, teacher": Case("ssdlite320-lite0", SSD, teacher=True),
    "ssd, simota": ssd("simota", "focal"),
    "ssd, task-aligned": ssd("task-aligned", "quality-focal"),
    "localizer": Case("localizer", backbone(ONE_MAP)),
    "rcnn": Case("rcnn", backbone(ONE_MAP) | REGIONS),
    "rcnn, machines": Case("rcnn", backbone(ONE_MAP) | {"model.stages.candidates": ALL}, 0.75),
    "rcnn, boxes": Case("rcnn", backbone(ONE_MAP) | REGIONS, 0.95),
    "fast-rcnn": Case("fast-rcnn", backbone(ONE_MAP) | REGIONS),
    "faster-rcnn": Case("faster-rcnn-vgg16", backbone(ONE_MAP) | REGIONS | PROPOSALS),
    "faster-rcnn, pyramid": Case(
        "faster-rcnn-resnet50-fpn", backbone(TWO_MAPS) | REGIONS | PROPOSALS
    ),
    "rfcn": Case("rfcn-resnet101", backbone(ONE_MAP) | PROPOSALS),
    "sliding-window": Case("sliding-window", {}),
    "sliding-window, network": Case("sliding-window-cnn", backbone(ONE_MAP)),
    "multibox": Case("multibox", backbone(ONE_MAP) | {"model.classifier.backbone": ONE_MAP}),
    "multibox, classifier": Case(
        "multibox",
        backbone(ONE_MAP)
        | {"model.classifier.backbone": ONE_MAP, "model.classifier.sampling.regions": ALL},
        0.8,
    ),
    "yolo-v1": Case("yolo-v1", backbone(ONE_MAP)),
    "yolo-v2": Case("yolo-v2", backbone(TWO_MAPS)),
    "yolo9000": Case("yolo9000", backbone(TWO_MAPS)),
    "yolo-v3": Case("yolo-v3", backbone(TWO_MAPS)),
}


def batch() -> Batch:
    random = torch.Generator().manual_seed(0)

    def truth(number: int) -> Truth:
        corner = torch.rand(number, 2, generator=random) * torch.tensor([WIDTH / 2, HEIGHT / 2])
        side = 16 + 30 * torch.rand(number, 2, generator=random)
        labels = torch.randint(2, (number,), generator=random)
        return Truth.of(torch.cat([corner, corner + side], dim=1), labels)

    size = len(OBJECTS), HEIGHT, WIDTH, 3
    images = torch.randint(256, size, generator=random, dtype=torch.uint8)
    names = tuple(f"{number} objects" for number in OBJECTS)
    return Batch(images.permute(0, 3, 1, 2), tuple(map(truth, OBJECTS)), names)


def small_model(case: Case) -> Objective:
    """The detector of a case, at its stage of training, without chance."""
    small = {
        key: value
        for key, value in SMALL.get(case.recipe, {}).items()
        if key.startswith("model.") and "backbone" not in key
    }
    overrides = {"model.input": [HEIGHT, WIDTH], **small, **case.overrides}
    model_settings = load_recipe(case.recipe, overrides).model
    torch.manual_seed(0)
    model = build_detector(model_settings, ("RBC", "WBC"), pretrained=False)
    set_training_mode(model, ("batch_norm",))
    model.enter(case.part)
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
    if not case.teacher:
        return model
    teacher = build_detector(model_settings, ("RBC", "WBC"), pretrained=False)
    return distil(model, teacher, weight=1.0, score_threshold=0.01, source="teacher")[0]


def gradients_of(
    case: Case, share: Batch, processes: Processes = ALONE, num_parts: int = 1
) -> dict[str, torch.Tensor]:
    """The terms of the loss, and the gradient of each parameter."""
    model = small_model(case)
    cpu = torch.device("cpu")
    losses = Gradients(model, processes, cpu, "float32", num_parts=num_parts).add(share)
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    matches = {"matches": torch.tensor(losses.num_matches)}
    return {name: value.clone() for name, value in (losses.terms | found | matches).items()}


def gradients_of_shares(rank: int) -> dict[str, dict[str, torch.Tensor]]:
    processes = Processes(rank=rank, world_size=2)
    share = batch().parts(2)[rank]
    return {name: gradients_of(case, share, processes) for name, case in CASES.items()}


@pytest.fixture(scope="module")
def shares():
    """Gradients that two processes compute together, each with four images."""
    return run_group(gradients_of_shares, 2)


@pytest.fixture(scope="module", params=CASES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def whole(name):
    return gradients_of(CASES[name], batch())


def require_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found["matches"] == expected["matches"] > 0
    for name, value in expected.items():
        # Relative to the largest: where terms cancel, their rounding stays.
        atol = 1e-4 * float(value.abs().max()) + 1e-7
        torch.testing.assert_close(
            found[name], value, rtol=1e-3, atol=atol, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_all_families_are_here():
    kinds = {load_recipe(case.recipe).model.kind for case in CASES.values()}
    assert kinds == {family.kind for family in FAMILIES}


def test_parts_add_up_to_the_gradient_of_the_whole_batch(name, whole):
    if not CASES[name].is_weighed_before:
        pytest.skip("losses of parts are averaged")
    require_equal(gradients_of(CASES[name], batch(), num_parts=NUM_PARTS), whole)


def test_the_prepared_weight_is_that_of_the_losses(name):
    """Training divides by the prepared one, as the weights of all parts are needed beforehand."""
    model, images = small_model(CASES[name]), batch()
    prepared = model.prepare(images.truths)
    assert (prepared is not None) == CASES[name].is_weighed_before
    if prepared is None:
        return
    for term, weight in model.losses(images, prepared).weights.items():
        assert float(weight) == prepared.weight, term


class DividedByMatches(Objective):
    """A family that forgets to prepare what its losses are divided by."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        del batch, prepared
        return Losses.of({"classification": self.scale * 6}, weight=14, num_matches=14)


def test_a_weight_that_is_not_prepared_is_refused():
    gradients = Gradients(DividedByMatches(), ALONE, torch.device("cpu"), "float32", num_parts=1)
    expected = (
        r"DividedByMatches: divides the loss 'classification' by 14, but its prepare\(\) gives"
    )
    with pytest.raises(ModelError, match=expected):
        gradients.add(batch())


def test_two_processes_of_four_images_have_the_gradient_of_one_of_eight(name, whole, shares):
    for share in shares:
        assert share[name].keys() == whole.keys()
        require_equal(share[name], whole)
