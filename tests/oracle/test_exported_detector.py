"""A published detector detects the same on real images in every runtime of the test environment."""

from __future__ import annotations

import pytest

import singleshot
from singleshot.data.image_files.decoding import read_image
from singleshot.exporting.parity import is_same

NUM_IMAGES = 50

pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def run(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / "coco"
    weights = shared / "weights" / "ssdlite_mnv2_coco_tfjs" / "model.json"
    singleshot.import_model(weights, output=folder)
    return folder


@pytest.fixture(scope="module")
def images(shared):
    paths = sorted((shared / "data" / "tiny_coco").rglob("*.jpg"))[:NUM_IMAGES]
    return [read_image(path) for path in paths]


@pytest.fixture(scope="module")
def expected(run, images):
    detector = singleshot.load(run, "cpu")
    return [detector.detect([image])[0] for image in images]


@pytest.mark.parametrize(("to", "contract"), [("onnx", "detections"), ("openvino", "raw")])
def test_detections_are_the_same(to, contract, run, images, expected, tmp_path):
    pytest.importorskip("openvino" if to == "openvino" else "onnxruntime")
    folder = tmp_path / "model"
    result = singleshot.export(run, to, contract=contract, output=folder, skip_timing=True)
    detector = singleshot.load(folder)
    for image, others in zip(images, expected, strict=True):
        (found,) = detector.detect([image])
        assert len(found) == len(others)
        size = (image.shape[1], image.shape[2])
        assert is_same(found, others, size, score_threshold=0.01, keep=200)
    for errors in result.manifest.parity["outputs"].values():
        assert errors["max_error"] < 2e-4
