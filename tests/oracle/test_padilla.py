"""Ours against the table Padilla et al. publish for their example (Electronics 2021, 10, 279)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from command_line import singleshot

from singleshot.metrics import Predictions, Protocol, Truths, compute_metrics

EVERY_POINT = {0.1: 0.337198, 0.3: 0.245687, 0.5: 0.022222, 0.75: 0}
ELEVEN_POINTS = {0.1: 0.333333, 0.3: 0.268398, 0.5: 0.030303, 0.75: 0}


PUBLISHED = pytest.mark.parametrize(
    ("protocol", "iou_threshold", "published"),
    [(Protocol.VOC10, *row) for row in EVERY_POINT.items()]
    + [(Protocol.VOC07, *row) for row in ELEVEN_POINTS.items()],
)


@PUBLISHED
def test_published_average_precision(shared, protocol, iou_threshold, published):
    folder = shared / "metric-cases" / "padilla_voc"
    images, boxes, _ = read_folder(folder / "groundtruths")
    no = np.zeros(len(images), np.bool_)
    truths = Truths(images, boxes, np.zeros_like(images), no, no, np.ones(len(images)), 7)
    images, boxes, rest = read_folder(folder / "detections")
    predictions = Predictions(images, boxes, rest[:, 0], np.zeros_like(images))
    report = compute_metrics(
        predictions, truths, ["object"], protocol=protocol, iou_threshold=iou_threshold
    )
    assert report.truths == 15
    assert report.detections == 24
    assert round(report.mean_average_precision, 6) == published


@PUBLISHED
def test_published_average_precision_from_the_command_line(
    shared, tmp_path, protocol, iou_threshold, published
):
    folder = shared / "metric-cases" / "padilla_voc"
    images, boxes, _ = read_folder(folder / "groundtruths")
    objects = [
        {"id": k, "image_id": image, "category_id": 1, "bbox": box}
        for k, (image, box) in enumerate(zip(images.tolist(), as_sizes(boxes), strict=True))
    ]
    truth = {
        "images": [{"id": image, "file_name": f"{image}.jpg"} for image in range(7)],
        "categories": [{"id": 1, "name": "object"}],
        "annotations": objects,
    }
    images, boxes, rest = read_folder(folder / "detections")
    found = [
        {"image_id": image, "category_id": 1, "bbox": box, "score": score}
        for image, box, score in zip(
            images.tolist(), as_sizes(boxes), rest[:, 0].tolist(), strict=True
        )
    ]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "found.json").write_text(json.dumps(found))
    files = str(tmp_path / "found.json"), str(tmp_path / "truth.json")
    options = ["--protocol", protocol, "--iou-threshold", str(iou_threshold)]
    done = singleshot("score", *files, *options, "--json")
    assert done.exit_code == 0, done.stderr
    assert round(json.loads(done.stdout)["mean_average_precision"], 6) == published


def as_sizes(boxes):
    """x, y, width, height."""
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]).tolist()


def read_folder(folder):
    """Images, half-open boxes, and the columns between name and box."""
    rows = [
        [image, *map(float, line.split()[1:])]
        for image, path in enumerate(sorted(folder.glob("*.txt")))
        for line in path.read_text().splitlines()
    ]
    table = np.array(rows)
    x, y, width, height = table[:, -4:].T
    # The files hold VOC's inclusive corner as x + width, hence the + 1.
    boxes = np.stack([x, y, x + width + 1, y + height + 1], axis=1)
    return table[:, 0].astype(np.int64), boxes, table[:, 1:-4]
