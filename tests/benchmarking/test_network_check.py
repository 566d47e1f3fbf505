import torch

from singleshot.benchmarking import network_check
from singleshot.benchmarking.network_check import check_in_process, time_network
from singleshot.benchmarking.sample_images import draw_sample_images
from singleshot.benchmarking.timing_process import TimingJob
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe


def test_a_loop_and_the_timer_of_pytorch_time_the_bare_network(monkeypatch):
    monkeypatch.setattr(network_check, "SECONDS", 0.1)
    settings = load_recipe("ssdlite320-lite0", {"model.input": [96, 128]}).model
    detector = build_detector(settings, ["a"], pretrained=False)
    found = time_network(detector)
    assert found["plain_ms"] > 0
    assert found["own_ms"] > 0
    assert found["own_tool"] == "torch.utils.benchmark"
    assert detector.pixel_mean.device == torch.device("cpu")


def test_a_foreign_detector_cannot_be_checked():
    class Foreign:
        class_names = ("a",)

        def detect(self, images):
            return [None for _ in images]

    assert time_network(Foreign()) is None


def test_the_check_has_a_process_of_its_own(tmp_path):
    images = draw_sample_images(tmp_path, 1, (96, 128))
    found = check_in_process(TimingJob("small", images, recipe="localizer", num_classes=1))
    assert found.plain_ms > 0
