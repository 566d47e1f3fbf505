"""Checks of annotated objects that need no image: what training and evaluation may stumble over.

All of it is array work, a second for a million boxes, so that a training can do it first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.data.dataset import DataSet
from singleshot.data.findings import Findings

__all__ = ["USUAL_INPUT", "check_objects", "coinciding_boxes", "second_annotations"]

USUAL_INPUT = (300, 300)  # (height, width) that images are resized to, where nothing else is known
SMALLEST_SIDE = 3.0  # pixels of the image
SMALLEST_SIDE_RESIZED = 1.0  # pixels of the input
WHOLE = 0.99  # of both sides of the image
SAME_OBJECT = 0.95  # IoU of two boxes of a class: two annotators of an object seldom agree more
FEW_OBJECTS = 10  # of a class
FEWEST_IMAGES = 20  # of which sizes are compared
ODD_SIDE = 3.0  # times the usual side, or as small a part of it
ODD_ASPECT = 3.5  # times the usual aspect ratio; 16:9 on its side is 3.2 times
MOST_ODD = 0.05  # of the images; more of them are a mixture and not exceptions


@dataclass(frozen=True)
class _Objects:
    """All objects of a data set as arrays; crowds are left out."""

    dataset: DataSet
    rows: Int64[np.ndarray, " k"]  # of each, in the truths of the data set
    images: Int64[np.ndarray, " k"]  # index of the image of each
    boxes: Float64[np.ndarray, "k 4"]
    labels: Int64[np.ndarray, " k"]

    @classmethod
    def of(cls, dataset: DataSet) -> _Objects:
        """Collect the objects of a data set."""
        lengths = dataset.objects_per_image.numpy()
        ordinary = ~dataset.truths.crowd.numpy()
        return cls(
            dataset,
            np.flatnonzero(ordinary),
            np.repeat(np.arange(len(dataset)), lengths)[ordinary],
            dataset.truths.boxes.double().numpy()[ordinary],
            dataset.truths.labels.long().numpy()[ordinary],
        )

    def add(self, findings: Findings, kind: str, marked: Bool[np.ndarray, " k"]) -> None:
        """Add a finding for each marked box."""
        for index in np.flatnonzero(marked).tolist():
            self.add_boxes(findings, kind, index)

    def add_boxes(self, findings: Findings, kind: str, index: int, *more: int) -> None:
        """Add a finding about one box, and perhaps others in the same image."""
        path = str(self.dataset.paths[self.images[index]])
        own = [self._box(one) for one in (index, *more)]
        names = dict.fromkeys(self.dataset.class_names[self.labels[one]] for one in (index, *more))
        x1, y1, x2, y2 = own[0]
        place = f"{PurePath(path).name}: {' and '.join(names)} at ({x1:g}, {y1:g}, {x2:g}, {y2:g})"
        findings.add(kind, place, image=path, boxes=tuple(own))

    def _box(self, index: int) -> tuple[float, float, float, float]:
        x1, y1, x2, y2 = (round(side, 2) for side in self.boxes[index].tolist())
        return x1, y1, x2, y2


def check_objects(dataset: DataSet, *, input: tuple[int, int] = USUAL_INPUT) -> Findings:
    """Check the objects, classes and sizes of a data set; no image is read.

    Args:
        dataset: as a reader gives it: boxes have an area and lie inside their images.
        input: (height, width) that images are resized to in training.
    """
    findings = Findings()
    objects = _Objects.of(dataset)
    if len(dataset) and not len(objects.labels):
        crowds = f", {len(dataset.truths)} regions" if len(dataset.truths) else ""
        findings.add("no-object", f"{len(dataset)} images{crowds}")
    _check_doubles(objects, findings)
    _check_sides(objects, input, findings)
    _check_classes(objects, findings)
    _check_images(dataset, findings)
    _check_sizes(dataset, findings)
    return findings


def second_annotations(dataset: DataSet) -> Int64[np.ndarray, " k"]:
    """Find the rows of the truths that annotate an object of a class a second time."""
    objects = _Objects.of(dataset)
    first, second = coinciding_boxes(objects.images, objects.boxes)
    same = objects.labels[first] == objects.labels[second]
    return np.unique(objects.rows[second[same]])


def coinciding_boxes(
    images: Int64[np.ndarray, " k"], boxes: Float64[np.ndarray, "k 4"], iou: float = SAME_OBJECT
) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """Find the pairs of boxes in one image with more than this IoU; the first is the earlier.

    Boxes are compared in the order of their left sides. With an IoU above t, they are apart by less
    than 1 - t of the union's width, which is at most 1/t of the first one's.
    """
    order = np.lexsort((boxes[:, 0], images))
    reach = (boxes[:, 2] - boxes[:, 0]) * (1 - iou) / iou
    position = np.arange(len(order))
    found = []
    for apart in range(1, len(order)):
        position = position[position + apart < len(order)]
        first, second = order[position], order[position + apart]
        near = (images[first] == images[second]) & (
            boxes[second, 0] - boxes[first, 0] <= reach[first]
        )
        position, first, second = position[near], first[near], second[near]
        if not len(position):
            break
        same = _paired_iou(boxes[first], boxes[second]) > iou
        found.append(np.sort([first[same], second[same]], axis=0))
    pairs = np.concatenate(found, axis=1) if found else np.zeros((2, 0), np.int64)
    pairs = pairs[:, np.lexsort((pairs[1], pairs[0]))]
    return pairs[0], pairs[1]


def _check_doubles(objects: _Objects, findings: Findings) -> None:
    """Find objects that are annotated twice, as one class or as two."""
    first, second = coinciding_boxes(objects.images, objects.boxes)
    same = objects.labels[first] == objects.labels[second]
    _, once = np.unique(second[same], return_index=True)
    for one, other in zip(second[same][once].tolist(), first[same][once].tolist(), strict=True):
        objects.add_boxes(findings, "annotated-twice", one, other)
    for one, other in zip(first[~same].tolist(), second[~same].tolist(), strict=True):
        objects.add_boxes(findings, "two-classes", one, other)


def _check_sides(objects: _Objects, input: tuple[int, int], findings: Findings) -> None:
    """Find boxes that are too small, and those that cover the whole image."""
    sides = objects.boxes[:, 2:] - objects.boxes[:, :2]
    of_image = objects.dataset.sizes[objects.images][:, ::-1].astype(np.float64)  # width, height
    known = (of_image > 0).all(axis=1)
    shares = np.where(of_image > 0, sides / np.maximum(of_image, 1), 0)
    vanish = np.any(shares * input[::-1] < SMALLEST_SIDE_RESIZED, axis=1) & known
    objects.add(findings, "tiny", np.asarray(vanish | np.any(sides < SMALLEST_SIDE, axis=1)))
    objects.add(findings, "whole-image", np.asarray(np.all(shares >= WHOLE, axis=1)))


def _check_classes(objects: _Objects, findings: Findings) -> None:
    """Count the objects of each class, and look for gaps in COCO's ids."""
    names = objects.dataset.class_names
    counts = np.bincount(objects.labels, minlength=len(names)).tolist()
    if not any(counts):
        return
    for name, count in zip(names, counts, strict=True):
        if count == 0:
            findings.add("unused-class", name)
    rare = [(count, name) for name, count in zip(names, counts, strict=True) if count]
    for count, name in sorted(rare):
        if count < FEW_OBJECTS:
            findings.add("rare-class", name, f"{count} object{'s' * (count != 1)}")
    if objects.dataset.has_ids:
        for low, high in _gaps(objects.dataset.category_ids):
            ids = f"{low} … {high}" if high > low else f"{low}"
            findings.add("id-gap", f"no category has the id {ids}")


def _gaps(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of the numbers missing between others."""
    known = sorted(numbers)
    for low, high in pairwise(known):
        if high > low + 1:
            yield low + 1, high - 1


def _check_images(dataset: DataSet, findings: Findings) -> None:
    """Find images without objects, and those all of whose objects are difficult."""
    lengths = dataset.objects_per_image.numpy()
    owners = np.repeat(np.arange(len(dataset)), lengths)
    ordinary = ~(dataset.truths.difficult | dataset.truths.crowd).numpy()
    counted = np.bincount(owners[ordinary], minlength=len(dataset))
    difficult = np.bincount(owners[dataset.truths.difficult.numpy()], minlength=len(dataset))
    _add_images(findings, "empty-image", dataset, lengths == 0)
    _add_images(findings, "difficult-only", dataset, (counted == 0) & (difficult > 0))


def _check_sizes(dataset: DataSet, findings: Findings) -> None:
    """Find the few images whose size or shape is far from that of the others."""
    known = np.flatnonzero((dataset.sizes > 0).all(axis=1))
    if len(known) < FEWEST_IMAGES:
        return
    height, width = dataset.sizes[known].astype(np.float64).T
    side, aspect = np.log(height * width) / 2, np.log(width / height)
    odd = np.abs(side - np.median(side)) > np.log(ODD_SIDE)
    odd |= np.abs(aspect - np.median(aspect)) > np.log(ODD_ASPECT)
    if not 0 < odd.sum() <= MOST_ODD * len(known):
        return
    usual = f"{np.median(width):.0f} × {np.median(height):.0f}"
    for index in known[odd].tolist():
        path = str(dataset.paths[index])
        height, width = dataset.sizes[index].tolist()
        size = f"{width} × {height} pixels; usual are {usual}"
        findings.add("odd-size", PurePath(path).name, size, image=path)


def _add_images(
    findings: Findings, kind: str, dataset: DataSet, marked: Bool[np.ndarray, " n"]
) -> None:
    """Add a finding for each marked image."""
    for path in dataset.paths[marked].tolist():
        findings.add(kind, PurePath(path).name, image=path)


def _paired_iou(
    boxes: Float64[np.ndarray, "n 4"], others: Float64[np.ndarray, "n 4"]
) -> Float64[np.ndarray, " n"]:
    """Compute the IoU of each box with the one in the same place."""
    low = np.maximum(boxes[:, :2], others[:, :2])
    high = np.minimum(boxes[:, 2:], others[:, 2:])
    shared = np.prod((high - low).clip(0), axis=1)
    areas = [np.prod(one[:, 2:] - one[:, :2], axis=1) for one in (boxes, others)]
    union: Float64[np.ndarray, " n"] = areas[0] + areas[1] - shared
    return np.asarray(shared / np.maximum(union, 1e-12))
