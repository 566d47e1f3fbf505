"""The rules that are the same for every format; on real files in the tests of each format."""

# Tests singleshot/data/assembly/boxes.py
# Tests singleshot/data/assembly/locating.py
# Tests singleshot/data/assembly/sizes.py
# Tests singleshot/data/reading.py

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from singleshot.data.assembly import Assembled, assemble
from singleshot.data.formats.annotations import AnnotatedImage, AnnotatedObject, Annotations
from singleshot.data.reading import ReadingOptions

ORIENTATION = 0x0112  # the EXIF tag


def cat(*box: float, area: float | None = None, number: int = 1) -> AnnotatedObject:
    x1, y1, x2, y2 = box
    return AnnotatedObject("cat", (x1, y1, x2, y2), number, area=area)


def image(*objects: AnnotatedObject, size=(30, 40), name: str = "a.jpg", **more) -> AnnotatedImage:
    return AnnotatedImage(name, size, list(objects), f"list: {name}", **more)


def assembled(root: Path, *images: AnnotatedImage, options=None, **more) -> Assembled:
    annotations = Annotations(root, list(images), (root,), root / "list", **more)
    return assemble(annotations, options or ReadingOptions(), description="made up")


@pytest.fixture
def save(tmp_path: Path):
    """Write an image of this (height, width), on its side by this EXIF orientation."""

    def save(name: str = "a.jpg", size=(30, 40), orientation: int = 1) -> None:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        Image.new("RGB", size[::-1]).save(tmp_path / name, exif=exif)

    return save


def test_boxes_are_clipped_and_those_without_area_dropped_with_notes(tmp_path):
    result = assembled(
        tmp_path,
        image(cat(-5, 0, 10, 10), cat(3, 3, 3, 9, number=2), name="a.jpg"),
        image(cat(50, 0, 60, 9), cat(2, 2, 1, 1, number=2), name="b.jpg"),
    )
    assert result.dataset.truths.boxes.tolist() == [[0, 0, 10, 10], [1, 1, 2, 2]]
    assert result.dataset.ends.tolist() == [1, 2]
    assert result.findings.lines()[1:] == [
        "put the corners of 1 box in order: b object 2",
        "dropped 1 box without area: a object 2",
        "dropped 1 box wholly outside the image: b object 1",
        "clipped 1 box reaching beyond the image: a object 1",
    ]


def test_a_rounding_error_beyond_the_edge_stays_as_annotated(tmp_path, save):
    save()
    result = assembled(tmp_path, image(cat(0, 0, 40.04, 30)))
    assert result.dataset.truths.boxes.tolist() == [[0, 0, 40.04, 30]]
    assert not len(result.findings)


def test_another_size_than_annotated_is_a_fault_that_names_both(tmp_path, save):
    save(size=(60, 80))
    result = assembled(tmp_path, image(cat(1, 2, 10, 20)))
    assert len(result.dataset) == 0
    [error] = result.findings.errors
    assert str(error) == (
        "list: a.jpg: the image is 80 × 60 pixels (width × height) and annotated as 40 × 30; "
        "annotate them anew, or scale the boxes with the images: --rescale-boxes"
    )


def test_boxes_are_scaled_to_the_image_on_request(tmp_path, save):
    save(size=(60, 120))
    options = ReadingOptions(rescale_boxes=True)
    result = assembled(tmp_path, image(cat(1, 2, 10, 20, area=100)), options=options)
    assert result.dataset.truths.boxes.tolist() == [[3, 4, 30, 40]]
    assert result.dataset.truths.areas.tolist() == [600]
    assert result.findings.lines() == [
        "scaled the boxes of 1 image to the size of the image: a.jpg"
    ]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_on_pixels_before_exif_are_turned_with_the_image(tmp_path, orientation):
    """Pillow turns an image with one bright rectangle; the turned box must lie on it."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = Image.new("L", (40, 30))
    stored.paste(255, (3, 5, 13, 9))
    stored.save(tmp_path / "a.png", exif=exif)
    result = assembled(tmp_path, image(cat(3, 5, 13, 9), name="a.png"))
    assert result.dataset.sizes.tolist() == [[40, 30]]
    displayed = result.dataset[0].image[0]
    rows, columns = (displayed == 255).nonzero().T
    lit = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert result.dataset.truths.boxes.tolist() == [[float(side) for side in lit]]
    assert [one.kind for one in result.findings] == ["turned"]


def test_boxes_without_a_size_are_turned_where_they_fit_only_the_stored_pixels(tmp_path, save):
    save(size=(30, 40), orientation=6)
    unsized = assembled(tmp_path, image(cat(30, 5, 40, 9), size=(0, 0)))
    assert unsized.dataset.truths.boxes.tolist() == [[21, 30, 25, 40]]
    fitting = assembled(tmp_path, image(cat(20, 5, 30, 9), size=(0, 0)))
    assert fitting.dataset.truths.boxes.tolist() == [[20, 5, 30, 9]]


def test_boxes_that_look_like_fractions_are_a_fault_and_read_on_request(tmp_path, save):
    save()
    objects = cat(0.25, 0.5, 0.75, 1.0)
    [error] = assembled(tmp_path, image(objects)).findings.errors
    assert "no corner of 1 box is beyond 1 pixel (the largest: 0.25, 0.5, 0.75, 1)" in str(error)
    assert str(error).endswith("Then: --normalized")
    options = ReadingOptions(normalized=True)
    result = assembled(tmp_path, image(objects), options=options)
    assert result.dataset.truths.boxes.tolist() == [[10, 15, 30, 30]]
    # VOC's reader has taken 1 from the left and the top.
    result = assembled(tmp_path, image(cat(-0.75, -0.5, 0.75, 1)), options=options, origin=1)
    assert result.dataset.truths.boxes.tolist() == [[10, 15, 30, 30]]
    for pixel in (cat(0, 0, 1, 1), cat(0, 9e-52, 1, 1)):
        assert not len(assembled(tmp_path, image(pixel)).findings)


def test_pixels_that_are_read_as_fractions_are_a_fault(tmp_path, save):
    save()
    options = ReadingOptions(normalized=True)
    errors = assembled(tmp_path, image(cat(5, 5, 20, 9)), options=options).findings.errors
    assert "most of 1 box are beyond 1 (the largest: 5, 5, 20, 9)" in str(errors[0])
    assert str(errors[0]).endswith("Then leave out --normalized")
    # A fraction may reach a little beyond the image.
    assert not assembled(tmp_path, image(cat(0.5, 0.5, 1.2, 1)), options=options).findings.errors


def test_fractions_on_pixels_before_exif_are_turned_from_their_own_corner(tmp_path, save):
    save(size=(30, 40), orientation=6)
    options = ReadingOptions(normalized=True)
    # 0.25, 0.5, 0.75, 1 in a format that counts pixels from 1.
    result = assembled(tmp_path, image(cat(-0.75, -0.5, 0.75, 1)), options=options, origin=1)
    assert result.dataset.truths.boxes.tolist() == [[0, 10, 15, 30]]


def test_entries_of_one_file_are_joined_and_all_their_ids_are_known(tmp_path, save):
    save("a.jpg")
    save("b.jpg")
    result = assembled(
        tmp_path,
        image(cat(1, 2, 3, 4), image_id=101),
        image(cat(5, 6, 7, 8), image_id=102),
        image(cat(1, 1, 2, 2), name="b.jpg", image_id=103),
        class_names=("cat",),
        category_ids=(7,),
    )
    assert result.dataset.ends.tolist() == [2, 3]
    assert result.dataset.image_ids.tolist() == [101, 103]
    assert result.dataset.other_ids == {102: 101}
    assert result.findings.lines() == ["joined the entries of 1 image listed more than once: a.jpg"]


def test_a_stated_area_is_kept(tmp_path):
    objects = (cat(0, 0, 4, 5, area=12.5), cat(0, 0, 4, 5))
    dataset = assembled(tmp_path, image(*objects)).dataset
    assert dataset.truths.areas.tolist() == [12.5, 20]


def test_classes_that_differ_by_case_or_spaces_are_noted(tmp_path, save):
    save()
    objects = [cat(0, 0, 4, 5)._replace(name=name) for name in ("cat", "Cat", "cat  a", "CAT A")]
    lines = assembled(tmp_path, image(*objects)).findings.lines()
    assert lines == [
        "class names that differ by case or spaces alone: 'CAT A' and 'cat  a', 'Cat' and 'cat'"
    ]


def test_images_that_cannot_be_read_are_left_out_and_cut_ones_used(tmp_path, save):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        save(name, size=(300, 400))
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[:-200])
    (tmp_path / "b.jpg").write_bytes(b"")
    names = ("a.jpg", "b.jpg", "c.jpg")
    result = assembled(tmp_path, *(image(cat(0, 0, 9, 9), size=(0, 0), name=one) for one in names))
    assert [Path(path).name for path in result.dataset.paths] == ["a.jpg", "c.jpg"]
    assert result.dataset[0].image.shape == (3, 300, 400)
    assert [one.kind for one in result.findings] == ["truncated-image", "unreadable-image"]


def test_images_without_annotation_are_noted(tmp_path, save):
    save("a.jpg")
    save("b.jpg")
    result = assembled(tmp_path, image(cat(0, 0, 9, 9)), complete=(tmp_path,))
    assert result.findings.lines() == ["left out 1 image without annotation: b.jpg"]
