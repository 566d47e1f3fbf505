from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from singleshot.data.formats import imglab
from singleshot.data.opening import open_dataset, read_dataset
from singleshot.errors import DataError

BOX = "<box top='5' left='10' width='20' height='8'/>"


def image(name: str, *boxes: str, size: str = "width='40' height='30'") -> str:
    return f"<image file='{name}' {size}>{''.join(boxes)}</image>"


@pytest.fixture
def add_imglab(tmp_path):
    """Write an imglab file and its images, 40 wide and 30 high."""

    def add(split: str, *images: str, files: tuple[str, ...] = ("a.jpg",)) -> Path:
        for name in files:
            Image.new("RGB", (40, 30)).save(tmp_path / name)
        xml = tmp_path / f"{split}.xml"
        head = "<?xml version='1.0' encoding='ISO-8859-1'?>\n<?xml-stylesheet href='a.xsl'?>"
        xml.write_text(f"{head}<dataset><name>n</name><images>{''.join(images)}</images></dataset>")
        return xml

    return add


def test_top_left_width_height_become_corners(add_imglab):
    dataset = read_dataset(add_imglab("training", image("a.jpg", BOX)))
    assert dataset.truths.boxes.tolist() == [[10, 5, 30, 13]]
    assert dataset.class_names == ("object",)
    assert dataset.sizes.tolist() == [[30, 40]]


def test_labels_are_classes_and_ignored_boxes_regions(add_imglab):
    labelled = BOX.replace("/>", "><label>face</label><part name='0' x='1' y='2'/></box>")
    ignored = BOX.replace("/>", " ignore='1'/>")
    dataset = read_dataset(add_imglab("training", image("a.jpg", labelled, ignored)))
    assert dataset.class_names == ("face", "object")
    assert dataset.truths.crowd.tolist() == [False, True]
    assert dataset.truths.difficult.tolist() == [False, False]


def test_a_size_that_is_not_stated_is_the_images(add_imglab):
    dataset = read_dataset(add_imglab("training", image("a.jpg", BOX, size="")))
    assert dataset.sizes.tolist() == [[30, 40]]


def test_each_file_of_a_folder_is_a_split(add_imglab, tmp_path):
    add_imglab("training", image("a.jpg", BOX))
    add_imglab("testing", image("b.jpg", BOX, BOX), image("c.jpg"), files=("b.jpg", "c.jpg"))
    assert imglab.FORMAT.splits(tmp_path) == ("testing", "training")
    assert len(read_dataset(tmp_path, "testing").truths) == 2
    assert len(read_dataset(tmp_path)) == 3
    assert open_dataset(tmp_path, "training").description == (
        f"imglab layout, split training of {tmp_path}"
    )


def test_a_file_alone_may_be_without_its_images(add_imglab):
    xml = add_imglab("training", image("a.jpg", BOX), files=())
    dataset = open_dataset(xml)
    assert len(dataset.truths) == 1
    assert dataset.notes == (f"found no images of training.xml; looked in {xml.parent}",)


def test_other_xml_is_not_recognised(tmp_path):
    (tmp_path / "a.xml").write_text("<annotation></annotation>")
    assert not imglab.FORMAT.recognise(tmp_path)
    with pytest.raises(DataError, match="unknown layout"):
        open_dataset(tmp_path / "a.xml")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("<image/>", "image 2: has no file; add it or remove the image"),
        (image("a.jpg", "<box top='1'/>"), r"image 2 \(a\.jpg\), box 1: left is missing; expected"),
        (image("a.jpg", BOX.replace("20", "wide")), "box 1: width is 'wide'; expected a number"),
        (image("a.jpg", BOX.replace("20", "nan")), "box 1: width is 'nan'; expected a number"),
        ("<image", r"line 2: broken XML"),
        (image("gone.jpg"), r"image 2: there is no image 'gone\.jpg'; restore"),
    ],
)
def test_a_wrong_entry_is_named(add_imglab, wrong, message):
    xml = add_imglab("training", image("a.jpg", BOX), wrong)
    with pytest.raises(DataError, match=rf"training\.xml.*{message}"):
        read_dataset(xml)


def test_dlibs_faces_have_two_splits_and_two_more_with_landmarks(shared):
    folder = shared / "data/dlib_faces"
    assert imglab.FORMAT.splits(folder) == (
        "testing",
        "testing_with_face_landmarks",
        "training",
        "training_with_face_landmarks",
    )
    training, testing = open_dataset(folder, "training"), open_dataset(folder, "testing")
    assert (len(training), len(training.truths)) == (4, 18)
    assert (len(testing), len(testing.truths)) == (5, 25)
    landmarks = open_dataset(folder, "training_with_face_landmarks")
    assert landmarks.paths.tolist() == training.paths.tolist()
    assert len(landmarks.truths) == 18  # some of them drawn anew
    assert len(open_dataset(folder)) == 9  # each image once
