"""Ours against the published rule, on random cases with difficult objects and ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import voc_devkit

from singleshot.metrics import Predictions, Protocol, Truths, measure

NUM_IMAGES, NUM_CLASSES = 3, 2


@st.composite
def boxes(draw):
    """Corners on a coarse grid, so that overlaps of exactly one half and equal overlaps happen."""
    x, y = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    return x, y, x + draw(st.integers(1, 4)), y + draw(st.integers(1, 4))


images, labels = st.integers(0, NUM_IMAGES - 1), st.integers(0, NUM_CLASSES - 1)
objects = st.lists(st.tuples(images, boxes(), labels, st.booleans()), max_size=14)
findings = st.lists(st.tuples(images, boxes(), labels, st.integers(0, 5)), max_size=25)


@given(objects, findings, st.sampled_from([0.1, 0.3, 0.5, 0.75]))
@settings(max_examples=200, deadline=None)
def test_average_precision_is_that_of_voc_devkit(objects, findings, iou_threshold):
    for protocol, published in (
        (Protocol.VOC07, voc_devkit.average_precision_2007),
        (Protocol.VOC10, voc_devkit.average_precision_2010),
    ):
        report = measure(
            as_predictions(findings),
            as_truths(objects),
            [str(label) for label in range(NUM_CLASSES)],
            protocol=protocol,
            iou_threshold=iou_threshold,
        )
        for label in range(NUM_CLASSES):
            expected = by_voc_devkit(objects, findings, label, iou_threshold, published)
            assert report.per_class[str(label)].average_precision == expected


def by_voc_devkit(objects, findings, label, iou_threshold, average_precision):
    here = {image: [] for image in range(NUM_IMAGES)}
    for image, box, own, difficult in objects:
        if own == label:
            here[image].append(voc_devkit.Object(box, difficult))
    if all(one.difficult for own in here.values() for one in own):
        return None
    found = [voc_devkit.Found(i, box, score / 5) for i, box, own, score in findings if own == label]
    return pytest.approx(average_precision(*voc_devkit.evaluate(here, found, iou_threshold)))


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
