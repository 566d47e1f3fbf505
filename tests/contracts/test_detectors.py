"""One contract for every detector that a recipe can build."""

# Tests singleshot/families.py
# Tests singleshot/detectors/common/single_size.py
# Tests singleshot/detectors/rcnn/fast_rcnn.py
# Tests singleshot/detectors/rcnn/faster_rcnn.py

import pytest
import torch
from PIL import Image
from small import SMALL, small
from tiny import tiny
from torch.utils._python_dispatch import TorchDispatchMode

from singleshot.benchmarking.phases import time_detections
from singleshot.checkpoints.checkpoint import Checkpoint, detector_from
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import DataError, ModelError, TooLittleMemory
from singleshot.families import build_detector, families
from singleshot.recipes.load import load_recipe, recipe_files
from singleshot.structures import Batch, Detector, Truth

CLASSES = ("cat", "dog", "bird")
# Smaller than their own inputs where the levels allow it, to be quick.
INPUTS = {"ssdlite320-lite0": [128, 160], "ssd512-vgg16": [512, 384]}
# Recipes of one network that differ in the sizes of its priors, which tests/paper/ holds.
SAME_NETWORK = ("-coco", "-voc12", "-voc-after-coco")
RECIPES = [name for name in recipe_files() if not name.endswith(SAME_NETWORK)]
SIZES = [(480, 360), (360, 640)]


@pytest.fixture(scope="module", params=RECIPES)
def recipe(request):
    return load_recipe(
        request.param, {"model.results.score_threshold": 0.0} | made_small(request.param)
    )


def made_small(name):
    """Overrides that keep what is particular to a network, at little work."""
    if name in SMALL:
        return {key: value for key, value in small(name).items() if key.startswith("model.")}
    if "resnet101" in name:
        return tiny(name)
    return {"model.input": INPUTS[name]} if name in INPUTS else {}


@pytest.fixture(scope="module")
def detector(recipe):
    torch.manual_seed(0)
    return build_detector(recipe.model, CLASSES, pretrained=False).eval()


@pytest.fixture(scope="module")
def images():
    random = torch.Generator().manual_seed(0)
    sizes = [(120, 90), (333, 500)]
    return [torch.randint(256, (3, *size), generator=random, dtype=torch.uint8) for size in sizes]


@pytest.fixture(scope="module")
def detections(detector, images):
    return detector.detect(images)


def test_it_is_a_detector_and_can_learn(detector):
    assert isinstance(detector, Detector)
    assert isinstance(detector, TrainableDetector)
    assert detector.class_names == CLASSES


def test_detections_are_valid(images, detections):
    for image, found in zip(images, detections, strict=True):
        height, width = image.shape[-2:]
        assert len(found) > 0
        assert found.boxes.isfinite().all()
        assert (found.boxes[:, :2] >= 0).all()
        assert (found.boxes[:, 2:] <= torch.tensor([width, height])).all()
        assert ((found.scores >= 0) & (found.scores <= 1)).all()
        assert (found.scores.diff() <= 0).all()
        assert found.labels.min() >= 0
        assert found.labels.max() < len(CLASSES)


def test_an_image_alone_has_the_detections_that_it_has_among_others(detector, images, detections):
    for image, expected in zip(images, detections, strict=True):
        (alone,) = detector.detect([image])
        torch.testing.assert_close(alone.scores, expected.scores, atol=1e-4, rtol=0)


def test_images_of_other_forms_are_taken_or_refused(detector, images, detections):
    image, expected = images[0], detections[0]
    array = image.permute(1, 2, 0).numpy()
    for form in (image, image[None], [array], (one for one in [Image.fromarray(array)])):
        (found,) = detector.detect(form)
        torch.testing.assert_close(found.scores, expected.scores, atol=1e-4, rtol=0)
    assert detector.detect([]) == []
    with pytest.raises(DataError, match=r"image 0: .*float32.* from 0 to 1; expected uint8"):
        detector.detect([image / 255])


def test_a_gpu_without_memory_names_the_images_that_fit(detector, images, monkeypatch):
    detect = detector.detect_tensors

    def limited(some):
        if len(some) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return detect(some)

    monkeypatch.setattr(detector, "detect_tensors", limited)
    with pytest.raises(TooLittleMemory, match="memory on cpu with 2 images at once; 1 fit: give"):
        detector.detect(images)


def test_kinds_that_export_are_marked_in_their_family(detector):
    (family,) = (one for one in families() if one.kind == detector.settings.kind)
    assert (detector.exportable() is not None) is family.exports


def test_training_mode_is_refused(detector, images):
    with pytest.raises(ModelError, match=r"training mode; call \.eval\(\)"):
        detector.train().detect(images)
    detector.eval()


class Operations(TorchDispatchMode):
    """A clock that counts the operations of PyTorch instead of seconds."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        self.count += 1
        return function(*arguments, **(options or {}))


def test_each_phase_of_a_detection_has_work_to_time(detector, images, monkeypatch):
    with Operations() as operations:
        monkeypatch.setattr("time.perf_counter", lambda: operations.count)
        (seconds,) = time_detections(detector, [images[:1]])
    assert min(seconds) >= 1


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


def test_a_checkpoint_brings_back_the_same_detector(detector, recipe, images, detections, tmp_path):
    path = tmp_path / "model.safetensors"
    Checkpoint(detector.state_dict(), recipe, CLASSES, {"step": 1}).save(path)
    again = detector_from(Checkpoint.load(path), str(path))
    assert again.class_names == CLASSES
    for ours, theirs in zip(again.detect(images), detections, strict=True):
        assert torch.equal(ours.boxes, theirs.boxes)
        assert torch.equal(ours.scores, theirs.scores)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [name for name in RECIPES if "ssd" in name])
def test_any_height_and_width_and_a_single_class(name, size):
    settings = load_recipe(name, {"model.input": list(size)}).model
    assert settings.kind == "ssd"
    with torch.device("meta"):  # shapes alone
        detector = build_detector(settings, ["one"], pretrained=False)
        offsets, logits = detector(torch.zeros(2, 3, *size))
    assert offsets.shape == (2, len(detector.priors_cxcywh_unit), 4)
    assert logits.shape == (2, len(detector.priors_cxcywh_unit), 2)
    rows, columns = zip(*(level.grid for level in detector.levels), strict=True)
    assert list(rows) == sorted(rows, reverse=True)
    assert list(columns) == sorted(columns, reverse=True)
