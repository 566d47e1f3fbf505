"""Ours against pycocotools: random cases, real images, and cocoapi's published example."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import singleshot
from singleshot.metrics import CocoNumbers, Predictions, Protocol, Truths, compute_metrics

NUM_IMAGES, NUM_CLASSES = 3, 3
CLASS_NAMES = [str(label) for label in range(NUM_CLASSES)]
MOST_COUNTED = 100  # detections per image and class
SPLITS = ("train2017", "val2017")


@st.composite
def boxes(draw):
    """x, y, width, height; from small to large in COCO's sense."""
    side = draw(st.sampled_from([5, 25, 60, 130]))
    x, y = draw(st.integers(0, 40)), draw(st.integers(0, 40))
    return x, y, side + draw(st.integers(0, 6)), side + draw(st.integers(0, 6))


@st.composite
def floods(draw):
    """More detections of one class in one image than COCO looks at."""
    random = np.random.default_rng(draw(st.integers(0, 99)))
    corners, sides = random.integers(0, 40, (130, 2)), random.integers(5, 66, (130, 2))
    scores = random.integers(0, 10, 130)
    return [
        (0, tuple(box), 0, int(score))
        for box, score in zip(np.hstack([corners, sides]).tolist(), scores, strict=True)
    ]


images = st.integers(0, NUM_IMAGES - 1)
# The last class is predicted but never annotated.
object_ = st.tuples(images, boxes(), st.integers(0, NUM_CLASSES - 2), st.booleans())
finding = st.tuples(images, boxes(), st.integers(0, NUM_CLASSES - 1), st.integers(0, 9))
objects = st.lists(object_, max_size=4) | st.lists(object_, min_size=6, max_size=14)
findings = st.lists(finding, max_size=4) | st.lists(finding, min_size=10, max_size=30) | floods()


def test_twelve_numbers_and_class_averages_are_those_of_pycocotools():
    seen = Counter()

    @given(objects, findings)
    @settings(max_examples=200, deadline=None)
    def agrees(objects, findings):
        truths, predictions = as_truths(objects), as_predictions(findings)
        report = compute_metrics(predictions, truths, CLASS_NAMES, protocol=Protocol.COCO)
        expected, expected_per_class = by_pycocotools(*as_documents(truths, predictions))
        assert report.coco == pytest.approx(expected)
        found = [report.per_class[name].average_precision for name in CLASS_NAMES]
        assert found == pytest.approx(expected_per_class)
        assert report.mean_average_precision == report.coco.AP
        seen.update(what_happens(objects, findings))

    agrees()
    occasions = (
        "a crowd",
        "a class of crowds only",
        "a class without objects",
        "nothing found",
        "equal scores",
        "more detections than count",
    )
    assert min(seen[occasion] for occasion in occasions) >= 5, seen


def what_happens(objects, findings):
    """Which of the interesting things occur in a case."""
    crowds = {label: [] for label in range(NUM_CLASSES)}
    for _, _, label, crowd in objects:
        crowds[label].append(crowd)
    per_place = Counter((image, label) for image, _, label, _ in findings)
    places_of_score = Counter((label, score) for _, _, label, score in findings)
    occasions = {
        "a crowd": any(map(any, crowds.values())),
        "a class of crowds only": any(own and all(own) for own in crowds.values()),
        "a class without objects": any(not crowds[label] for _, _, label, _ in findings),
        "nothing found": objects and not findings,
        "equal scores": max(places_of_score.values(), default=0) > 1,
        "more detections than count": max(per_place.values(), default=0) > MOST_COUNTED,
    }
    return [name for name, happens in occasions.items() if happens]


@pytest.mark.parametrize("split", SPLITS)
def test_real_images_from_file_to_number(shared, split, tmp_path):
    """Both read the same two files of COCO's JSON: ours by `singleshot.score`."""
    folder = shared / "data" / "tiny_coco"
    document = json.loads((folder / f"annotations/instances_{split}.json").read_text())
    results = realistic_results(document, np.random.default_rng(0))
    saved = tmp_path / "results.json"
    saved.write_text(json.dumps(results))
    report = singleshot.score(saved, folder, split=split, protocol="coco")
    expected, expected_per_class = by_pycocotools(document, results)
    assert report.coco == pytest.approx(expected)
    categories = sorted(document["categories"], key=lambda one: one["id"])
    assert [one["id"] for one in categories] != list(range(1, 81)), "no gaps in the ids"
    found = [report.per_class[one["name"]].average_precision for one in categories]
    assert found == pytest.approx(expected_per_class)
    assert 0.2 < report.coco.AP < 0.8, "too easy or too hard to tell rules apart"


def realistic_results(document, random):
    """What a middling detector would find, in COCO's format of results.

    Most objects, a little beside their place; some twice, some as another class; several in each
    crowd; and false positives of low score anywhere.
    """
    category_ids = [category["id"] for category in document["categories"]]
    results = []
    for truth in document["annotations"]:
        x, y, width, height = truth["bbox"]
        for _ in range(4 if truth["iscrowd"] else random.choice([0, 1, 1, 1, 2])):
            shrink = random.uniform(0.1, 0.5) if truth["iscrowd"] else random.uniform(0.85, 1.15)
            shift = random.normal(0, 0.06, 2) * (width, height)
            box = [x + shift[0], y + shift[1], width * shrink, height * shrink]
            wrong = random.random() < 0.1
            category = random.choice(category_ids) if wrong else truth["category_id"]
            results.append(result(truth["image_id"], category, box, random.beta(4, 2)))
    for image in document["images"]:
        for _ in range(5):
            box = [*random.uniform(0, 200, 2), *random.uniform(10, 200, 2)]
            results.append(result(image["id"], random.choice(category_ids), box, random.beta(1, 4)))
    return results


def result(image_id, category_id, box, score):
    return {
        "image_id": image_id,
        "category_id": int(category_id),
        "bbox": [round(float(side), 2) for side in box],
        "score": round(float(score), 2),
    }


def test_published_twelve_numbers_of_cocoapi(shared):
    folder = shared / "metric-cases" / "cocoapi_fakebbox100"
    truths, predictions, names = read_coco(
        json.loads((folder / "instances_val2014_100.json").read_text()),
        json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text()),
    )
    report = compute_metrics(predictions, truths, names, protocol=Protocol.COCO)
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


def as_documents(truths: Truths, predictions: Predictions):
    """The two JSON documents of COCO."""
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
    return document, results


def by_pycocotools(document, results):
    """Twelve numbers and AP per class; None where pycocotools has -1."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(document)
        truth.createIndex()
        # pycocotools cannot load an empty list of results.
        found = truth.loadRes(copy.deepcopy(results)) if results else COCO()
        evaluator = COCOeval(truth, found, "bbox")
        evaluator.params.imgIds = sorted(truth.getImgIds())
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
