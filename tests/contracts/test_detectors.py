"""One contract for every detector that a recipe can build."""

import pytest
import torch
from small import SMALL, small
from tiny import tiny

from singleshot.checkpoints.checkpoint import Checkpoint, detector_from
from singleshot.comparison.timing_worker import time_detections
from singleshot.detectors.detector import TrainableDetector
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe, recipe_files
from singleshot.structures import Batch, Detector, Truth

CLASSES = ("cat", "dog", "bird")
# Smaller than their own inputs where the levels allow it, to be quick.
INPUTS = {"ssdlite320-lite0": [128, 160], "ssd512-vgg16": [512, 384]}


# Some recipes train the same detector in another way: one of them stands for all.
RECIPES = list(
    {load_recipe(name).model.model_dump_json(): name for name in recipe_files()}.values()
)


PRIORS = [name for name in RECIPES if load_recipe(name).model.kind == "ssd"]


@pytest.fixture(scope="module", params=RECIPES)
def recipe(request):
    overrides = {"model.results.score_threshold": 0.0}
    if request.param in SMALL:
        overrides |= {
            key: value for key, value in small(request.param).items() if key.startswith("model.")
        }
    elif "resnet101" in request.param:
        overrides |= tiny(request.param)
    if request.param in INPUTS:
        overrides["model.input"] = INPUTS[request.param]
    return load_recipe(request.param, overrides)


@pytest.fixture(scope="module")
def detector(recipe):
    torch.manual_seed(0)
    return build_detector(recipe.model, CLASSES, pretrained=False).eval()


@pytest.fixture
def images(random):
    sizes = [(120, 90), (333, 500)]
    return [torch.randint(256, (3, *size), generator=random, dtype=torch.uint8) for size in sizes]


def test_it_is_a_detector_and_can_learn(detector):
    assert isinstance(detector, Detector)
    assert isinstance(detector, TrainableDetector)
    assert detector.class_names == CLASSES


def test_detections_are_valid(detector, images):
    for image, found in zip(images, detector.detect(images), strict=True):
        height, width = image.shape[-2:]
        assert len(found) > 0
        assert found.boxes.isfinite().all()
        assert (found.boxes[:, :2] >= 0).all()
        assert (found.boxes[:, 2:] <= torch.tensor([width, height])).all()
        assert ((found.scores >= 0) & (found.scores <= 1)).all()
        assert (found.scores.diff() <= 0).all()
        assert found.labels.min() >= 0
        assert found.labels.max() < len(CLASSES)


def test_an_image_alone_is_found_the_same_in_as_among_others(detector, images):
    together = detector.detect(images)
    for image, expected in zip(images, together, strict=True):
        (alone,) = detector.detect([image])
        torch.testing.assert_close(alone.scores, expected.scores, atol=1e-4, rtol=0)


def test_where_its_time_goes_can_be_told(detector, images):
    (found,) = time_detections(detector, [images[:1]])
    assert min(found) > 0
    # Choosing is what a call of the network leaves: boxes, scores and what is suppressed.
    assert found.postprocess > 5e-5


def test_losses_are_finite_with_and_without_objects(detector, recipe):
    height, width = recipe.model.input
    truth = Truth.of(
        torch.tensor([[0.2 * width, 0.1 * height, 0.8 * width, 0.7 * height]]), torch.tensor([2])
    )
    nothing = truth[torch.tensor([], dtype=torch.int64)]
    blank = torch.zeros(2, 3, height, width, dtype=torch.uint8)
    losses = detector.losses(Batch(blank, (truth, nothing), ("a", "b")))
    assert all(term.isfinite() for term in losses.terms.values())
    assert losses.terms["classification"] > 0


def test_a_checkpoint_brings_back_the_same_detector(detector, recipe, images, tmp_path):
    path = tmp_path / "model.safetensors"
    Checkpoint(detector.state_dict(), recipe, CLASSES, {"step": 1}).save(path)
    again = detector_from(Checkpoint.load(path), str(path))
    assert again.class_names == CLASSES
    for ours, theirs in zip(again.detect(images), detector.detect(images), strict=True):
        assert torch.equal(ours.boxes, theirs.boxes)
        assert torch.equal(ours.scores, theirs.scores)


@pytest.mark.parametrize("size", [(480, 360), (360, 640)])
@pytest.mark.parametrize("name", PRIORS)
def test_any_height_and_width_and_a_single_class(name, size):
    settings = load_recipe(name, {"model.input": list(size)}).model
    with torch.device("meta"):  # shapes alone
        detector = build_detector(settings, ["one"], pretrained=False)
        offsets, logits = detector(torch.zeros(2, 3, *size))
    assert offsets.shape == (2, len(detector.priors_cxcywh_unit), 4)
    assert logits.shape == (2, len(detector.priors_cxcywh_unit), 2)
    rows, columns = zip(*(level.grid for level in detector.levels), strict=True)
    assert list(rows) == sorted(rows, reverse=True)
    assert list(columns) == sorted(columns, reverse=True)
