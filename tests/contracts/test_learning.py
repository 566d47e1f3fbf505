"""Every detector overfits four images, through the training that all share."""

# Tests singleshot/detectors/localizer/__init__.py
# Tests singleshot/detectors/multibox/__init__.py
# Tests singleshot/detectors/rcnn/__init__.py
# Tests singleshot/detectors/sliding_window/__init__.py
# Tests singleshot/detectors/ssd/__init__.py
# Tests singleshot/detectors/yolo/__init__.py
# Tests singleshot/detectors/localizer/settings.py

import pytest
from small import make_four, small

import singleshot
from singleshot.runs.log import loss_terms, read_log

RECIPES = [
    "localizer",
    "multibox",
    "rcnn",
    "fast-rcnn",
    "faster-rcnn-vgg16",
    "faster-rcnn-resnet50-fpn",
    "rfcn-resnet101",
    "sliding-window",
    "sliding-window-cnn",
    "ssdlite320-lite0",
    "yolo-v1",
    "yolo-v2",
    "yolo9000",
    "yolo-v3",
]


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    return make_four(tmp_path_factory.mktemp("data") / "four")


@pytest.mark.parametrize("name", RECIPES)
def test_four_images_are_overfit(name, four, tmp_path):
    run = singleshot.train(
        name, four, run=tmp_path / "run", val_split="none", overrides=small(name)
    )
    losses = [
        sum(loss_terms(record).values())
        for record in read_log(run.folder / "log.jsonl")
        if record["kind"] == "step"
    ]
    assert sum(losses[-10:]) < sum(losses[:10]) / 2
    report = singleshot.evaluate(run.folder, four, split="train", protocol="coco")
    assert report.coco.AP50 >= 0.95
