"""Imported networks output what Darknet's loops and OpenCV's copy compute of an image."""

# Tests singleshot/backbones/darknet.py, singleshot/backbones/darknet_layers.py

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracle.darknet_cfgs import V1, V2, V3
from oracle.darknet_rules import boxes_of, numbers_for, write_weights

from singleshot.backbones.darknet_layers import space_to_depth
from singleshot.checkpoints.checkpoint import detector_from
from singleshot.importers.recognise import import_weights


@pytest.fixture
def numbers():
    return np.random.default_rng(0)


def imported(folder, cfg, numbers):
    """The detector that is read from files of these, with every box that has a score at all."""
    (folder / "tiny.cfg").write_text(cfg)
    write_weights(folder / "tiny.weights", numbers)
    detector = detector_from(import_weights(folder / "tiny.weights", "darknet"), "tiny")
    detector.postprocess_options = replace(detector.postprocess_options, score_threshold=0.0)
    return detector


def expected_of(boxes, size):
    """Corners in pixels, scores and labels, box by box and class by class."""
    height, width = size
    rows = [
        [
            *((x - w / 2) * width, (y - h / 2) * height),
            *((x + w / 2) * width, (y + h / 2) * height),
            min(scale * probability, 1),
            label,
        ]
        for (x, y, w, h), scale, classes in boxes
        for label, probability in enumerate(classes)
        if scale * probability > 0
    ]
    return torch.tensor(np.array(rows), dtype=torch.float32)


@pytest.mark.parametrize(
    ("cfg", "size", "num_boxes"),
    [(V1, (64, 64), 12), (V2, (64, 96), 2 * 4 * 6), (V3, (64, 96), 2 * (4 * 6 + 8 * 12))],
    ids=["v1", "v2", "v3"],
)
def test_every_box_is_darknets(cfg, size, num_boxes, numbers, tmp_path):
    weights = numbers_for(cfg, numbers)
    detector = imported(tmp_path, cfg, weights)
    assert detector.num_boxes == num_boxes
    image = numbers.integers(0, 256, (3, *size)).astype(np.float32)
    boxes = boxes_of(cfg, weights, image / 255)
    if cfg is V3:  # ours are finest first
        coarse = 2 * 4 * 6
        boxes = boxes[coarse:] + boxes[:coarse]
    expected = expected_of(boxes, size)
    with torch.inference_mode():
        (found,) = detector.score_boxes(torch.from_numpy(image)[None])
    assert len(found) > num_boxes / 2
    assert found.labels.tolist() == expected[:, 5].int().tolist()
    torch.testing.assert_close(found.scores, expected[:, 4], atol=1e-4, rtol=0)
    torch.testing.assert_close(found.boxes, expected[:, :4], atol=1e-3, rtol=1e-4)


def test_reorg_keeps_darknets_order_and_not_the_neighbours():
    features = torch.arange(2 * 4 * 4 * 6.0).reshape(2, 4, 4, 6)
    found = space_to_depth(features, 2)
    assert found.shape == (2, 16, 2, 3)
    # As one channel of 8 rows and 12 columns: its corners 0 and 1 are in channels 0 and 1 …
    assert found[0, 0].flatten()[:3].tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    ("cfg", "grids"),
    [(V2.replace("thresh=.6", "thresh=0"), [(4, 6)]), (V3, [(4, 6), (8, 12)])],
    ids=["v2", "v3"],
)
def test_opencv_reads_the_same_from_the_files(cfg, grids, numbers, tmp_path):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    if not hasattr(cv2.dnn, "readNetFromDarknet"):
        pytest.skip("this OpenCV has no reader of Darknet's files any more")
    detector = imported(tmp_path, cfg, numbers_for(cfg, numbers))
    network = cv2.dnn.readNetFromDarknet(str(tmp_path / "tiny.cfg"), str(tmp_path / "tiny.weights"))
    image = numbers.integers(0, 256, (3, 64, 96)).astype(np.float32)
    network.setInput(image[None] / 255)
    told = []
    # Coarsest first, and the anchors of a cell together: (cx, cy, w, h) in fractions of the
    # image, objectness, and what classes score, where it is more than a threshold.
    for grid, part in zip(
        grids, network.forward(network.getUnconnectedOutLayersNames()), strict=True
    ):
        rows = part.reshape(*grid, 2, part.shape[-1]).transpose(2, 0, 1, 3)
        told.insert(0, rows.reshape(-1, part.shape[-1]))
    rows = np.concatenate(told)
    with torch.inference_mode():
        (found,) = detector.score_boxes(torch.from_numpy(image)[None])
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]).numpy() / 2
    sides = (found.boxes[:, 2:] - found.boxes[:, :2]).numpy()
    num_classes = rows.shape[1] - 5
    each = np.concatenate([centres, sides], axis=1)[::num_classes]
    np.testing.assert_allclose(each, rows[:, :4] * [96, 64, 96, 64], rtol=1e-3, atol=1e-3)
    scores, expected = found.scores.numpy().reshape(-1, num_classes), rows[:, 5:]
    above = expected > 0
    assert above.sum() > len(rows) / 4
    np.testing.assert_allclose(scores[above], expected[above], atol=1e-4)
