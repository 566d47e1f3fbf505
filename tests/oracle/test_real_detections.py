"""A real detector's output on 100 VOC images: ours against independent witnesses.

For VOC the devkit's rule, which reads the XML itself; for COCO's numbers pycocotools.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import pytest
from oracle import voc_devkit
from oracle.test_pycocotools import by_pycocotools

import singleshot

DETECTIONS = "data/voc2012_100/detections/coco_format/coco_dets.json"
VOC = "data/voc2012_100/VOC2012"
COCO_EXPORTS = (
    "data/voc2012_100/other-formats/coco_v1/instances_default.json",
    "data/voc2012_100/other-formats/coco_v2/instances_v2.json",
)


@pytest.fixture(scope="module")
def detections(shared):
    """Image, class name, box (x, y, width, height) and score."""
    document = json.loads((shared / DETECTIONS).read_text())
    names = {one["id"]: one["name"] for one in document["categories"]}
    files = {one["id"]: one["file_name"] for one in document["images"]}
    return [
        (files[one["image_id"]], names[one["category_id"]], one["bbox"], one["score"])
        for one in document["annotations"]
    ]


@pytest.mark.parametrize(("protocol", "mean"), [("voc07", 0.6011), ("voc10", 0.6076)])
def test_voc_numbers_are_those_of_the_devkit(shared, detections, protocol, mean):
    report = singleshot.score(shared / DETECTIONS, shared / VOC, protocol=protocol)
    expected = by_voc_devkit(shared / VOC, detections, protocol)
    found = {name: one.average_precision for name, one in report.per_class.items()}
    assert found == pytest.approx(expected)
    assert report.truths == 273 - 38  # difficult ones do not count
    assert report.detections == len(detections) == 452
    assert round(report.mean_average_precision, 4) == mean


@pytest.mark.parametrize("place", COCO_EXPORTS)
def test_coco_numbers_are_those_of_pycocotools(shared, detections, place):
    report = singleshot.score(shared / DETECTIONS, shared / place, protocol="coco")
    document = json.loads((shared / place).read_text())
    expected, expected_per_class = by_pycocotools(document, as_results(detections, document))
    assert report.coco == pytest.approx(expected)
    names = [one["name"] for one in sorted(document["categories"], key=lambda one: one["id"])]
    found = [report.per_class[name].average_precision for name in names]
    assert found == pytest.approx(expected_per_class)
    rounded = [round(number, 4) for number in report.coco]
    assert rounded[:6] == [0.347, 0.61, 0.3537, 0.0752, 0.3395, 0.4979]
    assert rounded[6:] == [0.3735, 0.5206, 0.5226, 0.1583, 0.4467, 0.5809]


def test_a_pixel_more_changes_the_numbers(shared):
    """Both exports took VOC's first pixel, counted from 1, for COCO's left edge, counted from 0."""
    reports = [
        singleshot.score(shared / DETECTIONS, shared / place, protocol="coco")
        for place in (VOC, COCO_EXPORTS[0])
    ]
    assert [round(report.coco.AP, 4) for report in reports] == [0.3482, 0.347]
    assert [report.truths for report in reports] == [273, 273]  # COCO knows no difficult ones


def as_results(detections, document):
    """COCO's results, with the ids of a document."""
    image_ids = {one["file_name"]: one["id"] for one in document["images"]}
    category_ids = {one["name"]: one["id"] for one in document["categories"]}
    return [
        {
            "image_id": image_ids[file],
            "category_id": category_ids[name],
            "bbox": box,
            "score": score,
        }
        for file, name, box, score in detections
    ]


def by_voc_devkit(folder: Path, detections, protocol: str):
    """AP of every class."""
    area = {
        "voc07": lambda *curve: voc_devkit.average_precision_2007(*curve, voc_devkit.NUMPY_RECALLS),
        "voc10": voc_devkit.average_precision_2010,
    }[protocol]
    found = defaultdict(list)
    for file, name, (x, y, width, height), certainty in detections:
        box = (x + 1, y + 1, x + width, y + height)
        found[name].append(voc_devkit.Found(Path(file).stem, box, certainty))
    return {
        name: area(*voc_devkit.evaluate(objects, found[name], 0.5)[:2])
        for name, objects in read_objects(folder).items()
    }


def read_objects(folder: Path):
    """For each class the objects of each image, in VOC's own pixels."""
    objects = defaultdict(lambda: defaultdict(list))
    for path in sorted((folder / "Annotations").glob("*.xml")):
        for node in ElementTree.parse(path).iter("object"):
            corners = (node.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax"))
            one = voc_devkit.Object(tuple(map(float, corners)), node.findtext("difficult") == "1")
            objects[node.findtext("name")][path.stem].append(one)
    return objects
