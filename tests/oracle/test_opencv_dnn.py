"""Imported Caffe networks against OpenCV's DNN module, and our resizing against its."""

import numpy as np
import pytest
import torch
from oracle.caffe_files import PROTOTXT, caffemodel, small_weights

from singleshot.checkpoints.checkpoint import detector_from
from singleshot.detectors.common.resize import resize
from singleshot.importers.caffe.detector import read_caffe

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2.dnn, "readNetFromCaffe"):
    pytest.skip("OpenCV 5 reads no Caffe models any more", allow_module_level=True)


def random_image(height, width, seed=0):
    """Shapes rather than noise: BGR, rows first."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def as_ours(image):
    """RGB, channels first."""
    return torch.from_numpy(image[:, :, ::-1].copy()).permute(2, 0, 1)


def theirs(net, image, size, mean):
    """Label, score and box in pixels of the image, best first; clipped, as ours are."""
    height, width = image.shape[:2]
    net.setInput(cv2.dnn.blobFromImage(image, 1.0, size, mean))
    rows = net.forward("detection_out")[0, 0]
    rows = rows[np.argsort(-rows[:, 2], kind="stable")]
    ends = np.array([width, height, width, height])
    return rows[:, 1] - 1, rows[:, 2], np.clip(rows[:, 3:] * ends, 0, ends)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    (folder / "deploy.prototxt").write_text(PROTOTXT)
    (folder / "small.caffemodel").write_bytes(caffemodel(small_weights()))
    net = cv2.dnn.readNetFromCaffe(
        str(folder / "deploy.prototxt"), str(folder / "small.caffemodel")
    )
    checkpoint = read_caffe(folder / "small.caffemodel")
    return detector_from(checkpoint, "small"), net


def test_a_network_of_most_layers_computes_the_same(small):
    ours, net = small
    image = random_image(75, 101)
    net.setInput(cv2.dnn.blobFromImage(image, 1.0, (101, 75), (104, 117, 123)))
    expected = {name: net.forward(name) for name in ("loc", "conf", "prior")}
    with torch.no_grad():
        offsets, logits = ours(as_ours(image)[None].float())
    # 19 × 25 cells of four priors, 10 × 13 of two.
    assert offsets.shape == (1, 2160, 4)
    np.testing.assert_allclose(offsets.flatten(), expected["loc"].flatten(), atol=1e-4)
    np.testing.assert_allclose(logits.flatten(), expected["conf"].flatten(), atol=1e-4)
    corners = expected["prior"][0, 0].reshape(-1, 4)
    centres, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    priors = np.concatenate([centres, sides], axis=1)
    np.testing.assert_allclose(ours.priors_cxcywh_unit, priors, atol=1e-6)


def test_its_detections_are_the_same(small):
    ours, net = small
    image = random_image(150, 180)
    labels, scores, boxes = theirs(net, image, (101, 75), (104, 117, 123))
    (found,) = ours.detect([as_ours(image)])
    assert len(found) == len(scores) == 50
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_allclose(found.boxes, boxes, atol=1e-2)


def test_opencvs_face_detector_finds_the_same_faces(shared):
    folder = shared / "weights" / "res10_ssd300_face_caffe"
    weights = folder / "res10_300x300_ssd_iter_140000.caffemodel"
    if not weights.is_file():
        pytest.skip(f"needs {weights}")
    net = cv2.dnn.readNetFromCaffe(str(folder / "deploy.prototxt.txt"), str(weights))
    ours = detector_from(read_caffe(weights), "res10")
    images = sorted((shared / "data" / "dlib_faces").glob("*.jpg"))
    assert len(images) == 12
    for path in images:
        image = cv2.imread(str(path))
        _, scores, boxes = theirs(net, image, (300, 300), (104, 177, 123))
        (found,) = ours.detect([as_ours(image)])
        sure = found.scores >= 0.05
        assert sure.sum() == (scores >= 0.05).sum(), path.name
        np.testing.assert_allclose(found.scores[sure], scores[scores >= 0.05], atol=1e-5)
        np.testing.assert_allclose(found.boxes[sure], boxes[scores >= 0.05], atol=0.01)


@pytest.mark.parametrize("shape", [(480, 640), (333, 500), (600, 600), (40, 77), (2, 5), (1, 1)])
@pytest.mark.parametrize("size", [(300, 300), (240, 320), (20, 31)])
def test_resizing_is_opencvs_to_the_bit(shape, size):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = cv2.resize(image, size[::-1]).transpose(2, 0, 1)
    ours = resize(torch.from_numpy(image).permute(2, 0, 1), size, "opencv")
    np.testing.assert_array_equal(ours.numpy(), expected)
