"""Ours against the published rule, on random cases with difficult objects and ties."""

from __future__ import annotations

import math
from collections import Counter
from itertools import compress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import voc_devkit

from singleshot.metrics import (
    Predictions,
    Protocol,
    Truths,
    compute_metrics,
    eleven_points,
    find_class_curves,
)

NUM_IMAGES, NUM_CLASSES = 2, 2
NAMES = [str(label) for label in range(NUM_CLASSES)]


@st.composite
def boxes(draw):
    """Corners on a coarse grid, so that overlaps are equal or exactly a quarter or half."""
    x, y = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    return x, y, x + draw(st.integers(2, 4)), y + draw(st.integers(2, 4))


images, labels = st.integers(0, NUM_IMAGES - 1), st.integers(0, NUM_CLASSES - 1)
object_ = st.tuples(images, boxes(), labels, st.sampled_from([True, False, False]))
finding = st.tuples(images, boxes(), labels, st.integers(0, 5))
objects = st.lists(object_, max_size=4) | st.lists(object_, min_size=6, max_size=14)
findings = st.lists(finding, max_size=4) | st.lists(finding, min_size=10, max_size=25)
iou_thresholds = st.sampled_from([0.1, 0.25, 0.5, 0.75])


def test_every_detection_and_every_average_precision_are_those_of_voc_devkit():
    seen = Counter()

    @given(objects, findings, iou_thresholds)
    @settings(max_examples=200, deadline=None)
    def agrees(objects, findings, iou_threshold):
        objects = [(image, box, label, not easy) for image, box, label, easy in objects]
        for label in range(NUM_CLASSES):
            published = by_voc_devkit(objects, findings, label, iou_threshold)
            assert_same(objects, findings, label, iou_threshold, published)
            seen.update(what_happens(objects, findings, label, iou_threshold))

    agrees()
    occasions = (
        "a class without objects",
        "a class with difficult objects only",
        "objects and no detection",
        "a detection of a difficult object",
        "a second detection of an object",
        "equal scores",
        "equal overlaps",
        "an overlap of exactly the threshold",
    )
    assert min(seen[occasion] for occasion in occasions) >= 5, seen


def assert_same(objects, findings, label, iou_threshold, published):
    """Recall and precision after each detection that counts, and AP by both rules."""
    truths, predictions = as_truths(objects), as_predictions(findings)
    for protocol, position in ((Protocol.VOC07, 2), (Protocol.VOC10, 3)):
        report = compute_metrics(
            predictions, truths, NAMES, protocol=protocol, iou_threshold=iou_threshold
        )
        found = report.per_class[str(label)].average_precision
        assert found == (None if published is None else pytest.approx(published[position]))
    curve = find_class_curves(
        predictions, truths, NUM_CLASSES, protocol=Protocol.VOC10, iou_threshold=iou_threshold
    )[label]
    assert (curve is None) == (published is None)
    if curve is not None:
        recall, precision, *_ = published
        assert curve.recall.tolist() == recall
        assert curve.precision.tolist() == precision


def by_voc_devkit(objects, findings, label, iou_threshold):
    """Recall and precision of detections that count, AP by 11 points and by every point."""
    here = {image: [] for image in range(NUM_IMAGES)}
    for image, box, own, difficult in objects:
        if own == label:
            here[image].append(voc_devkit.Object(inclusive(box), difficult))
    if all(one.difficult for own in here.values() for one in own):
        return None
    found = [
        voc_devkit.Found(image, inclusive(box), score / 5)
        for image, box, own, score in findings
        if own == label
    ]
    recall, precision, counts = voc_devkit.evaluate(here, found, iou_threshold)
    eleven = voc_devkit.average_precision_2007(recall, precision, voc_devkit.NUMPY_RECALLS)
    # The devkit's table repeats a line after a detection that does not count; ours leaves it out.
    return (
        list(compress(recall, counts)),
        list(compress(precision, counts)),
        # Nothing but difficult objects was found: 0 / 0 in the devkit, no precision at all in ours.
        0.0 if math.isnan(eleven) else eleven,
        voc_devkit.average_precision_2010(recall, precision),
    )


def inclusive(box):
    """Half-open from 0 as VOC's pixels, counted from 1 with both ends inside."""
    return box[0] + 1, box[1] + 1, box[2], box[3]


def what_happens(objects, findings, label, iou_threshold):
    """Which of the interesting things occur in a case."""
    own = [one for one in objects if one[2] == label]
    found = [one for one in findings if one[2] == label]
    overlaps = [
        [iou(box, other) * (at == image) for at, other, *_ in own] for image, box, *_ in found
    ]
    best = [max(row, default=0) for row in overlaps]
    true_positive = [k for k in range(len(found)) if best[k] >= iou_threshold]
    looked_at = [overlaps[k].index(best[k]) for k in true_positive]
    difficult = [one[3] for one in own]
    easy = [k for k in looked_at if not difficult[k]]
    occasions = {
        "a class without objects": found and not own,
        "a class with difficult objects only": own and all(difficult),
        "objects and no detection": own and not found,
        "a detection of a difficult object": len(easy) < len(looked_at),
        "a second detection of an object": len(set(easy)) < len(easy),
        "equal scores": len({score for *_, score in found}) < len(found),
        "equal overlaps": any(overlaps[k].count(best[k]) > 1 for k in true_positive),
        "an overlap of exactly the threshold": iou_threshold in best,
    }
    return [name for name, happens in occasions.items() if happens]


def iou(box, other):
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(width, 0) * max(height, 0)
    both = sum((one[2] - one[0]) * (one[3] - one[1]) for one in (box, other))
    return shared / (both - shared)


@pytest.mark.parametrize(("found", "devkit", "ours"), [(3, 3, 3), (6, 7, 6), (7, 8, 7), (8, 9, 9)])
def test_where_eleven_points_differ_from_matlab(found, devkit, ours):
    """Of ten objects `found` are found, without a false positive: how many recalls are reached?

    Padilla et al. publish 0.333333 where nine of fifteen are found, which is our rounding; see
    test_padilla.py. MATLAB's would give 0.368906 there.
    """
    recall, precision = np.arange(1, found + 1) / 10, np.ones(found)
    reached = 11 * voc_devkit.average_precision_2007(recall.tolist(), precision.tolist())
    assert reached == pytest.approx(devkit)
    assert 11 * eleven_points(recall, precision) == pytest.approx(ours)


def as_predictions(findings) -> Predictions:
    return Predictions(
        images=np.array([image for image, *_ in findings], np.int64),
        boxes=np.array([box for _, box, *_ in findings], np.float64).reshape(-1, 4),
        scores=np.array([score / 5 for *_, score in findings], np.float64),
        labels=np.array([label for _, _, label, _ in findings], np.int64),
    )


def as_truths(objects) -> Truths:
    corners = np.array([box for _, box, *_ in objects], np.float64).reshape(-1, 4)
    return Truths(
        images=np.array([image for image, *_ in objects], np.int64),
        boxes=corners,
        labels=np.array([label for _, _, label, _ in objects], np.int64),
        difficult=np.array([difficult for *_, difficult in objects], np.bool_),
        crowd=np.zeros(len(objects), np.bool_),
        areas=np.prod(corners[:, 2:] - corners[:, :2], axis=1),
        num_images=NUM_IMAGES,
    )
