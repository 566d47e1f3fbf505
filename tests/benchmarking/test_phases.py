import time

import pytest
import torch

from singleshot.benchmarking.phases import time_detections
from singleshot.detectors.common.settings import PixelSettings
from singleshot.detectors.detector import TrainableDetector
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Detections

IMAGE = torch.zeros(3, 8, 8, dtype=torch.uint8)
NOTHING = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))


class Sleeper(TrainableDetector):
    """Sleeps for so many milliseconds in each phase."""

    num_boxes = 1
    parts = {}  # noqa: RUF012

    def __init__(self, preprocess: float, network: float, postprocess: float) -> None:
        super().__init__(["a"], PixelSettings(mean=(0, 0, 0), std=(1, 1, 1)))
        self.sleeps = preprocess, network, postprocess

    def forward(self, images):
        normalised = self.normalise(images)
        time.sleep(self.sleeps[1] / 1000)
        return normalised

    def losses(self, batch):
        raise NotImplementedError

    def detect(self, images):
        time.sleep(self.sleeps[0] / 1000)
        self(torch.stack(list(images)))
        time.sleep(self.sleeps[2] / 1000)
        return [NOTHING for _ in images]


def test_each_phase_has_its_own_time():
    (found,) = time_detections(Sleeper(20, 60, 40), [[IMAGE]])
    # A busy machine may sleep longer, never less.
    assert found.preprocess >= 0.02
    assert found.network >= 0.06
    assert found.postprocess >= 0.04
    assert found.total == pytest.approx(found.preprocess + found.network + found.postprocess)


def test_every_batch_is_timed_anew():
    begun = time.perf_counter()
    first, second = time_detections(Sleeper(0, 40, 0), [[IMAGE] * 2, [IMAGE]])
    assert first.network >= 0.04
    assert second.network >= 0.04
    assert first.total + second.total <= time.perf_counter() - begun


def test_a_detector_is_left_as_it_was():
    detector = Sleeper(0, 0, 0)
    time_detections(detector, [[IMAGE]])
    for module in (detector, detector.pixels):
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_only_the_total_is_known_of_a_foreign_detector():
    class Foreign:
        class_names = ("a",)

        def detect(self, images):
            time.sleep(0.01)
            return [NOTHING for _ in images]

    (found,) = time_detections(Foreign(), [[IMAGE]])
    assert found[:3] == (None, None, None)
    assert found.total >= 0.01


@pytest.mark.parametrize(("recipe", "overrides"), [
    ("ssdlite320-lite0", {"model.results.flip_tta": True}),
    ("localizer", {}),
])  # fmt: skip
def test_the_phases_of_our_detectors_are_timed(recipe, overrides):
    settings = load_recipe(recipe, {"model.input": [96, 128], **overrides}).model
    detector = build_detector(settings, ["a"], pretrained=False)
    (found,) = time_detections(detector, [[torch.zeros(3, 90, 70, dtype=torch.uint8)]])
    assert min(found) > 0
    assert found.network > found.preprocess


def test_copies_of_an_image_are_made_before_the_network_begins(monkeypatch):
    settings = load_recipe("sliding-window", {"model.input": [96, 128], "model.scales": [1.0, 1.5]})
    detector = build_detector(settings.model, ["a"], pretrained=False)
    make_copy = detector._make_copy
    slept = []

    def slowly(*arguments):
        slept.append(time.sleep(0.02))
        return make_copy(*arguments)

    monkeypatch.setattr(detector, "_make_copy", slowly)
    (found,) = time_detections(detector, [[torch.zeros(3, 90, 70, dtype=torch.uint8)]])
    assert found.preprocess >= 0.02 * len(slept) > 0.02


class Phased:
    """A detector with a method for each phase, as exported ones have."""

    class_names = ("a",)

    def preprocess(self, image):
        time.sleep(0.02)
        return image

    def infer(self, image):
        time.sleep(0.06)
        return image

    def postprocess(self, _outputs):
        time.sleep(0.04)
        return NOTHING

    def detect(self, images):
        return [self.postprocess(self.infer(self.preprocess(one))) for one in images]


def test_the_methods_of_an_exported_detector_are_its_phases():
    detector, counts = Phased(), []
    found, _ = time_detections(
        detector, [[IMAGE, IMAGE], [IMAGE]], lambda found: counts.append(len(found))
    )
    assert found.preprocess >= 0.04
    assert found.network >= 0.12
    assert found.postprocess >= 0.08
    assert counts == [2, 1]
    assert not vars(detector)
