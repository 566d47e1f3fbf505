"""The checks that every format applies; on real files in the tests of each format."""

# Tests singleshot/data/formats/objects.py

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from singleshot.data.formats.annotations import assemble
from singleshot.data.formats.objects import (
    AnnotatedImage,
    AnnotatedObject,
    finite_number,
    require_images,
    with_rest,
)
from singleshot.errors import DataError


def cat(*box: float, area: float | None = None) -> AnnotatedObject:
    x1, y1, x2, y2 = box
    return AnnotatedObject("cat", (x1, y1, x2, y2), area=area)


def image(*objects: AnnotatedObject, size=(30, 40), name: str = "a.jpg") -> AnnotatedImage:
    return AnnotatedImage(Path(name), size, list(objects))


def test_boxes_are_clipped_and_those_without_area_dropped_with_notes():
    images = [
        image(cat(-5, 0, 10, 10), cat(3, 3, 3, 9), name="a.jpg"),
        image(cat(50, 0, 60, 9), cat(1, 1, 2, 2), name="b.jpg"),
    ]
    dataset = assemble(("cat",), images, description="made up", notes=("read",))
    assert dataset.truths.boxes.tolist() == [[0, 0, 10, 10], [1, 1, 2, 2]]
    assert dataset.ends.tolist() == [1, 2]
    assert dataset.notes == (
        "read",
        "dropped 1 box without area: a",
        "dropped 1 box wholly outside the image: b",
        "clipped 1 box reaching beyond the image: a",
    )


def test_a_rounding_error_beyond_the_edge_stays_as_annotated():
    dataset = assemble(("cat",), [image(cat(0, 0, 40.04, 30))], description="made up")
    assert dataset.truths.boxes.tolist() == [[0, 0, 40.04, 30]]
    assert dataset.notes == ()


def test_a_box_beyond_the_stated_size_makes_the_file_decide(tmp_path):
    path = tmp_path / "turned.png"
    Image.new("RGB", (30, 40)).save(path)
    dataset = assemble(("cat",), [image(cat(0, 0, 10, 35), name=str(path))], description="made up")
    assert dataset.sizes.tolist() == [[40, 30]]
    assert dataset.truths.boxes.tolist() == [[0, 0, 10, 35]]


def test_a_stated_area_is_kept():
    objects = (cat(0, 0, 4, 5, area=12.5), cat(0, 0, 4, 5))
    dataset = assemble(("cat",), [image(*objects)], description="made up")
    assert dataset.truths.areas.tolist() == [12.5, 20]


@pytest.mark.parametrize("value", [None, "x", "nan", "inf"])
def test_only_finite_numbers_are_numbers(value):
    with pytest.raises((TypeError, ValueError)):
        finite_number(value)


def test_missing_images_are_counted(tmp_path):
    with pytest.raises(DataError, match=r"list\.xml: 1 of 1 images are missing, .*a\.jpg"):
        require_images([image(name=str(tmp_path / "a.jpg"))], Path("list.xml"))


def test_images_in_no_split_are_written_as_all():
    assert with_rest(None, 2) == {"all": [0, 1]}
    assert with_rest({"train": [1]}, 2) == {"train": [1], "all": [0]}
    assert with_rest({"train": [1, 0]}, 2) == {"train": [1, 0]}
