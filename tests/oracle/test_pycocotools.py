"""Ours against pycocotools: random cases with crowds and empty classes, and a published case."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from singleshot.metrics import CocoNumbers, Predictions, Protocol, Truths, measure

NUM_IMAGES, NUM_CLASSES = 3, 3
CLASS_NAMES = [str(label) for label in range(NUM_CLASSES)]


@st.composite
def boxes(draw):
    """x, y, width, height; from small to large in COCO's sense."""
    side = draw(st.sampled_from([5, 25, 60, 130]))
    x, y = draw(st.integers(0, 40)), draw(st.integers(0, 40))
    return x, y, side + draw(st.integers(0, 6)), side + draw(st.integers(0, 6))


images = st.integers(0, NUM_IMAGES - 1)
# The last class is predicted but never annotated.
objects = st.lists(
    st.tuples(images, boxes(), st.integers(0, NUM_CLASSES - 2), st.booleans()), max_size=14
)
findings = st.lists(
    st.tuples(images, boxes(), st.integers(0, NUM_CLASSES - 1), st.integers(0, 9)), max_size=30
)


@given(objects, findings)
@settings(max_examples=200, deadline=None)
def test_twelve_numbers_and_class_averages_are_those_of_pycocotools(objects, findings):
    truths = as_truths(objects)
    predictions = as_predictions(findings)
    report = measure(predictions, truths, CLASS_NAMES, protocol=Protocol.COCO)
    expected, expected_per_class = by_pycocotools(truths, predictions)
    assert report.coco == pytest.approx(expected)
    found = [report.per_class[name].average_precision for name in CLASS_NAMES]
    assert found == pytest.approx(expected_per_class)
    assert report.mean_average_precision == report.coco.AP


def test_published_twelve_numbers_of_cocoapi(shared):
    folder = shared / "metric-cases" / "cocoapi_fakebbox100"
    truths, predictions, names = read_coco(
        json.loads((folder / "instances_val2014_100.json").read_text()),
        json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text()),
    )
    report = measure(predictions, truths, names, protocol=Protocol.COCO)
    published = (0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564)
    assert [round(number, 3) for number in report.coco] == list(published)
    assert report.truths == 839 - 9  # crowds do not count


def read_coco(document, results):
    image_ids = [image["id"] for image in document["images"]]
    category_ids = [category["id"] for category in document["categories"]]
    annotations = document["annotations"]
    truths = Truths(
        images=np.array([image_ids.index(one["image_id"]) for one in annotations]),
        boxes=corners([one["bbox"] for one in annotations]),
        labels=np.array([category_ids.index(one["category_id"]) for one in annotations]),
        difficult=np.zeros(len(annotations), np.bool_),
        crowd=np.array([bool(one["iscrowd"]) for one in annotations]),
        areas=np.array([one["area"] for one in annotations]),
        num_images=len(image_ids),
    )
    predictions = Predictions(
        images=np.array([image_ids.index(one["image_id"]) for one in results]),
        boxes=corners([one["bbox"] for one in results]),
        scores=np.array([one["score"] for one in results]),
        labels=np.array([category_ids.index(one["category_id"]) for one in results]),
    )
    return truths, predictions, [category["name"] for category in document["categories"]]


def by_pycocotools(truths: Truths, predictions: Predictions):
    """Twelve numbers and AP per class; None where pycocotools says -1."""
    truth_boxes, found_boxes = sizes(truths.boxes), sizes(predictions.boxes)
    document = {
        "images": [{"id": image + 1} for image in range(NUM_IMAGES)],
        "categories": [{"id": label + 1} for label in range(NUM_CLASSES)],
        "annotations": [
            {
                "id": k + 1,
                "image_id": int(truths.images[k]) + 1,
                "category_id": int(truths.labels[k]) + 1,
                "bbox": truth_boxes[k],
                "area": float(truths.areas[k]),
                "iscrowd": int(truths.crowd[k]),
            }
            for k in range(len(truths))
        ],
    }
    results = [
        {
            "image_id": int(predictions.images[k]) + 1,
            "category_id": int(predictions.labels[k]) + 1,
            "bbox": found_boxes[k],
            "score": float(predictions.scores[k]),
        }
        for k in range(len(predictions))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = document
        truth.createIndex()
        # pycocotools cannot load an empty list of results.
        found = truth.loadRes(results) if results else COCO()
        evaluator = COCOeval(truth, found, "bbox")
        evaluator.params.imgIds = list(range(1, NUM_IMAGES + 1))
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    per_class = evaluator.eval["precision"][:, :, :, 0, -1].mean(axis=(0, 1))
    numbers = CocoNumbers(*(None if number < 0 else number for number in evaluator.stats))
    return numbers, [None if number < 0 else number for number in per_class]


def as_truths(objects) -> Truths:
    boxes = corners([box for _, box, *_ in objects])
    return Truths(
        images=np.array([image for image, *_ in objects], np.int64),
        boxes=boxes,
        labels=np.array([label for _, _, label, _ in objects], np.int64),
        difficult=np.zeros(len(objects), np.bool_),
        crowd=np.array([crowd for *_, crowd in objects], np.bool_),
        # Like COCO's, which are those of the segmentations: not the areas of the boxes.
        areas=0.7 * np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
        num_images=NUM_IMAGES,
    )


def as_predictions(findings) -> Predictions:
    return Predictions(
        images=np.array([image for image, *_ in findings], np.int64),
        boxes=corners([box for _, box, *_ in findings]),
        scores=np.array([score / 9 for *_, score in findings], np.float64),
        labels=np.array([label for _, _, label, _ in findings], np.int64),
    )


def corners(boxes) -> np.ndarray:
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def sizes(boxes: np.ndarray) -> list[list[float]]:
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]).tolist()
