from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from singleshot.data.dataset import DataSet
from singleshot.data.formats import voc
from singleshot.data.opening import read_dataset, read_with_findings
from singleshot.errors import DataError
from singleshot.structures import Truth

CAT = ("cat", (1, 1, 10, 10))
DOG = ("dog", (5, 5, 20, 20))


def test_first_pixel_to_tenth_is_ten_pixels_wide_from_zero(add_voc, tmp_path):
    add_voc("a", ("cat", (1, 2, 10, 20)))
    assert read_dataset(tmp_path).truths.boxes.tolist() == [[0, 1, 10, 20]]
    assert read_dataset(tmp_path).truths.areas.tolist() == [190]


def test_decimals_are_kept(add_voc, tmp_path):
    add_voc("a", ("cat", (1.5, 2.25, 10.5, 20)))
    assert read_dataset(tmp_path).truths.boxes.tolist() == [[0.5, 1.25, 10.5, 20]]


def test_difficult_is_kept(add_voc, tmp_path):
    add_voc("a", ("cat", (1, 1, 9, 9), 1), ("cat", (1, 1, 9, 9), 0))
    assert read_dataset(tmp_path).truths.difficult.tolist() == [True, False]


def test_nested_parts_are_no_objects(add_voc, tmp_path):
    xml = add_voc("a", ("person", (1, 1, 20, 20)))
    part = "<part><name>head</name><bndbox><xmin>2</xmin></bndbox></part></object>"
    xml.write_text(xml.read_text().replace("</object>", part))
    assert read_dataset(tmp_path).class_names == ("person",)


def test_classes_are_those_of_all_files_in_every_split(add_voc, add_split, tmp_path):
    add_voc("a", DOG)
    add_voc("b", CAT)
    add_split("train", "a")
    assert read_dataset(tmp_path, "train").class_names == ("cat", "dog")
    assert read_dataset(tmp_path, "train").truths.labels.tolist() == [1]


def test_an_image_without_objects_is_ordinary(add_voc, tmp_path):
    add_voc("a", CAT)
    add_voc("b")
    add_voc("c", DOG)
    dataset = read_dataset(tmp_path)
    assert [len(dataset.truth(index)) for index in range(3)] == [1, 0, 1]
    assert dataset.notes == ()


def test_a_split_is_in_the_order_of_its_file(add_voc, add_split, tmp_path):
    for stem in "abc":
        add_voc(stem, CAT)
    add_split("train", "c", "", "a", "c")
    assert [Path(path).stem for path in read_dataset(tmp_path, "train").paths] == ["c", "a"]


def test_lists_of_one_class_are_no_splits(add_voc, add_split, tmp_path):
    add_voc("a", CAT)
    add_split("train", "a")
    add_split("cat_train", "a  1")
    add_split("dog_train", "a -1")
    assert voc.FORMAT.splits(tmp_path) == ("train",)


def test_a_folder_around_the_devkit_is_the_devkit(add_voc, add_split, tmp_path):
    add_voc("a", CAT, folder=tmp_path / "VOC2012")
    add_split("train", "a", folder=tmp_path / "VOC2012")
    assert voc.FORMAT.splits(tmp_path) == ("train",)
    assert len(read_dataset(tmp_path, "train")) == 1


def test_a_root_with_several_years_names_them(add_voc, add_split, tmp_path):
    for year, objects in (("VOC2007", [CAT]), ("VOC2012", [DOG])):
        add_voc("a", *objects, folder=tmp_path / year)
        add_split("trainval", "a", folder=tmp_path / year)
    add_split("test", "a", folder=tmp_path / "VOC2007")
    assert voc.FORMAT.splits(tmp_path) == ("2007-test", "2007-trainval", "2012-trainval")
    assert read_dataset(tmp_path, "2012-trainval").truths.labels.tolist() == [1]
    assert read_dataset(tmp_path, "test").truths.labels.tolist() == [0]
    assert len(read_dataset(tmp_path)) == 2
    with pytest.raises(DataError, match=r"more than one.*2007-trainval\+2012-trainval"):
        read_dataset(tmp_path, "trainval")


def test_xml_files_beside_their_images_are_read(shared):
    dataset = read_dataset(shared / "data/broken_jpeg")
    assert dataset.class_names == ("kangaroo",)
    assert dataset.truths.boxes[0].tolist() == [151, 162, 584, 370]


def test_other_xml_is_not_recognised_as_voc(shared):
    assert not voc.FORMAT.recognise(shared / "data/dlib_faces")
    assert not voc.FORMAT.recognise(shared / "data/voc2012_100/other-formats/cvat")


def test_the_image_goes_by_the_stem_because_filenames_grow_stale(add_voc, tmp_path):
    add_voc("a", CAT, filename="old name.jpg")
    assert Path(read_dataset(tmp_path).paths[0]).name == "a.jpg"


def test_the_image_may_have_any_suffix_or_only_the_filename(add_voc, tmp_path):
    add_voc("a", CAT, filename="b.PNG")
    images = tmp_path / "JPEGImages"
    Image.new("RGB", (40, 30)).save(images / "b.PNG")
    (images / "a.jpg").unlink()
    assert Path(read_dataset(tmp_path).paths[0]).name == "b.PNG"


# Boxes that cannot be used as they are.


def test_boxes_without_area_are_dropped_counted_and_named(add_voc, tmp_path):
    add_voc("a", CAT, ("cat", (5, 5, 5, 9)), ("cat", (9, 9, 5, 20)))
    add_voc("b", ("cat", (7, 7, 7, 7)))
    dataset = read_dataset(tmp_path)
    assert dataset.notes == (
        "put the corners of 1 box in order: Annotations/a.xml: object 3 (cat)",
        "dropped 2 boxes without area: a object 2, b object 1",
    )
    assert dataset.truth(0).boxes.tolist() == [[0, 0, 10, 10], [4, 8, 9, 20]]
    assert len(dataset.truth(1)) == 0


def test_boxes_reaching_beyond_are_clipped_and_those_outside_dropped(add_voc, tmp_path):
    add_voc("a", ("cat", (0, 1, 50, 10)), ("cat", (41, 1, 60, 10)))
    dataset = read_dataset(tmp_path)
    assert dataset.truths.boxes.tolist() == [[0, 0, 40, 10]]
    assert dataset.notes == (
        "dropped 1 box wholly outside the image: a object 2",
        "clipped 1 box reaching beyond the image: a object 1",
    )


def test_a_note_names_three_images_and_counts_the_others(add_voc, tmp_path):
    for stem in "abcde":
        add_voc(stem, ("cat", (5, 5, 5, 9)))
    assert read_dataset(tmp_path).notes == (
        "dropped 5 boxes without area: a object 1, b object 1, c object 1 and 2 more",
    )


@pytest.mark.parametrize("size", [(0, 0), ("", "?"), ("1e300", "1e300")])
def test_a_size_that_is_none_is_taken_from_the_image(add_voc, tmp_path, size):
    add_voc("a", ("cat", (1, 1, 40, 30)), size=size)
    assert read_dataset(tmp_path).truths.boxes.tolist() == [[0, 0, 40, 30]]
    assert read_dataset(tmp_path).notes == ()


def test_boxes_refer_to_the_image_as_displayed(add_voc, tmp_path):
    add_voc("a", ("cat", (1, 1, 30, 40)))  # stored 40 wide and 30 high, displayed 30 wide
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "JPEGImages/a.jpg", exif=exif)
    dataset = read_dataset(tmp_path)
    assert dataset.truths.boxes.tolist() == [[0, 0, 30, 40]]
    assert dataset[0].image.shape == (3, 40, 30)


# Mistakes, each named.


def test_each_box_of_an_object_is_one(add_voc, tmp_path):
    xml = add_voc("a", CAT)
    box = "<bndbox><xmin>5</xmin><ymin>6</ymin><xmax>9</xmax><ymax>8</ymax></bndbox>"
    xml.write_text(xml.read_text().replace("</object>", f"{box}</object>"))
    dataset = read_dataset(tmp_path)
    assert dataset.truths.boxes.tolist() == [[0, 0, 10, 10], [4, 5, 9, 8]]
    assert dataset.notes == (
        "took each box of 1 object with several as an object: Annotations/a.xml: object 1 (cat)",
    )


@pytest.mark.parametrize(
    "polygon",
    [
        "<x1>3</x1><y1>9</y1><x2>7</x2><y2>4</y2><x3>5</x3><y3>2</y3>",
        "<pt><x>3</x><y>9</y></pt><pt><x>7</x><y>4</y></pt><pt><x>5</x><y>2</y></pt>",
    ],
)
def test_a_polygon_without_a_box_becomes_the_box_around_it(add_voc, tmp_path, polygon):
    xml = add_voc("a")
    content = f"<object><name>cat</name><polygon>{polygon}</polygon></object>"
    xml.write_text(xml.read_text().replace("</annotation>", f"{content}</annotation>"))
    dataset = read_dataset(tmp_path)
    assert dataset.truths.boxes.tolist() == [[2, 1, 7, 9]]
    assert dataset.notes[0].startswith("took the bounding box of 1 polygon: Annotations/a.xml")


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "latin-1", "utf-8", "utf-16"])
def test_xml_in_any_encoding_is_read(add_voc, tmp_path, encoding):
    xml = add_voc("a", CAT)
    name = "é" if encoding == "latin-1" else "猫"
    text = xml.read_text().replace("<name>cat", f"<name>{name}").partition("?>")[2] or (
        xml.read_text().replace("<name>cat", f"<name>{name}")
    )
    declared = f'<?xml version="1.0" encoding="{encoding}"?>\n{text}'
    xml.write_bytes(declared.encode(encoding))
    assert read_dataset(tmp_path).class_names == (name,)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "ten", ""])
def test_a_side_that_is_not_a_number_names_file_and_object(add_voc, tmp_path, value):
    add_voc("a", CAT, ("cat", (1, value, 10, 20)))
    with pytest.raises(DataError, match=r"a\.xml: object 2 \(cat\): ymin is .*expected a number"):
        read_dataset(tmp_path)


def test_a_missing_side_and_a_missing_name_name_the_object(add_voc, tmp_path):
    xml = add_voc("a", CAT)
    complete = xml.read_text()
    xml.write_text(complete.replace("<xmax>10</xmax>", ""))
    with pytest.raises(DataError, match=r"a\.xml: object 1 \(cat\): xmax is missing"):
        read_dataset(tmp_path)
    xml.write_text(complete.replace("<name>cat</name>", ""))
    with pytest.raises(DataError, match=r"a\.xml: object 1: has no <name>"):
        read_dataset(tmp_path)


def test_broken_xml_names_the_line(add_voc, tmp_path):
    add_voc("a", CAT).write_text("<annotation>\n<object>\n</annotation>")
    with pytest.raises(DataError, match=r"a\.xml, line 3: broken XML.*repair or remove"):
        read_dataset(tmp_path)


def test_an_entity_bomb_is_refused(add_voc, tmp_path):
    bomb = '<!DOCTYPE a [<!ENTITY x "xx"><!ENTITY y "&x;&x;">]><annotation>&y;</annotation>'
    add_voc("a").write_text(bomb)
    with pytest.raises(DataError, match=r"a\.xml: declares entities"):
        read_dataset(tmp_path)


def test_another_kind_of_xml_and_a_wrong_encoding_are_named(add_voc, tmp_path):
    xml = add_voc("a")
    add_voc("b")
    xml.write_text("<annotations/>")
    with pytest.raises(DataError, match=r"a\.xml: opens with <annotations>"):
        read_dataset(tmp_path)
    xml.write_text('<?xml version="1.0" encoding="klingon"?><annotation/>')
    with pytest.raises(DataError, match=r"a\.xml.*(repair|remove)"):
        read_dataset(tmp_path)


def test_an_xml_file_naming_a_missing_image_is_named(add_voc, tmp_path):
    add_voc("a", CAT)
    (tmp_path / "JPEGImages/a.jpg").unlink()
    add_voc("b", CAT)
    with pytest.raises(DataError, match=r"a\.xml: there is no image 'a\.jpg'; restore"):
        read_dataset(tmp_path)


def test_a_split_listing_an_image_without_xml_is_named(add_voc, add_split, tmp_path):
    add_voc("a", CAT)
    add_split("train", "a", "b")
    with pytest.raises(DataError, match=r"train\.txt: 1 of 2 images have no XML.*'b'"):
        read_dataset(tmp_path, "train")


def test_an_unknown_split_lists_those_there_are(add_voc, add_split, tmp_path):
    add_voc("a", CAT)
    with pytest.raises(DataError, match="no split 'tets'; it has no splits of its own"):
        read_dataset(tmp_path, "tets")
    add_split("test", "a")
    with pytest.raises(DataError, match="no split 'tets'; it has test"):
        read_dataset(tmp_path, "tets")


# Real data.


def test_bccd_has_4886_boxes_after_two_without_area_are_dropped(shared):
    dataset = read_dataset(shared / "data/bccd")
    assert dataset.class_names == ("Platelets", "RBC", "WBC")
    assert len(dataset) == 364
    assert len(dataset.truths) == 4886
    assert dataset.notes == (
        "dropped 2 boxes without area: BloodImage_00338 object 13, BloodImage_00343 object 4",
    )


@pytest.mark.parametrize(("split", "count"), [("train", 205), ("val", 87), ("test", 72)])
def test_bccd_has_its_own_splits(shared, split, count):
    assert len(read_dataset(shared / "data/bccd", split)) == count


def test_voc2012_keeps_its_twenty_classes_and_38_difficult_objects(shared):
    dataset = read_dataset(shared / "data/voc2012_100", "trainval")
    assert len(dataset.truths) == 273
    assert int(dataset.truths.difficult.sum()) == 38
    assert dataset.class_names[:2] == ("aeroplane", "bicycle")
    assert len(dataset.class_names) == 20


# Writing.


@st.composite
def truths(draw):
    number = draw(st.integers(0, 4))
    side = st.floats(0, 30, width=32)
    # A box at most one pixel wide would read as xmin >= xmax: one without area.
    box = st.tuples(side, side, st.floats(2, 9, width=32), st.floats(2, 9, width=32))
    boxes = [
        (x, y, x + w, y + h) for x, y, w, h in draw(st.lists(box, min_size=number, max_size=number))
    ]
    labels = draw(st.lists(st.integers(0, 1), min_size=number, max_size=number))
    truth = Truth.of(torch.tensor(boxes).reshape(-1, 4).float(), torch.tensor(labels).long())
    difficult = draw(st.lists(st.booleans(), min_size=number, max_size=number))
    return Truth(
        truth.boxes, truth.labels, torch.tensor(difficult).bool(), truth.crowd, truth.areas
    )


@settings(deadline=None, max_examples=30)
@given(st.lists(truths(), min_size=1, max_size=3))
def test_what_was_written_is_read_again(imaged):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [folder / f"{index}.png" for index in range(len(imaged))]
        for path in paths:
            Image.new("RGB", (40, 40)).save(path)
        written = DataSet.of(("a", "<b & c>"), zip(paths, imaged, strict=True), description="")
        voc.FORMAT.write(written, folder / "out", splits={"test": [0]})
        again = read_dataset(folder / "out").with_classes(written.class_names)
        assert len(read_dataset(folder / "out", "test")) == 1
        assert again.ends.tolist() == written.ends.tolist()
        assert again.truths.labels.tolist() == written.truths.labels.tolist()
        assert again.truths.difficult.tolist() == written.truths.difficult.tolist()
        torch.testing.assert_close(again.truths.boxes.float(), written.truths.boxes)


def test_a_data_set_in_the_folder_of_another_is_left_out_and_named(add_voc, tmp_path):
    xml = add_voc("a", CAT)
    (tmp_path / "inner").mkdir()
    shutil.copytree(tmp_path / "Annotations", tmp_path / "inner/Annotations")
    shutil.copytree(tmp_path / "JPEGImages", tmp_path / "inner/JPEGImages")
    for path in (xml, tmp_path / "JPEGImages/a.jpg"):
        path.rename(tmp_path / path.name)
    shutil.rmtree(tmp_path / "Annotations")
    shutil.rmtree(tmp_path / "JPEGImages")
    dataset = read_dataset(tmp_path)
    assert dataset.paths.tolist() == [str(tmp_path / "a.jpg")]
    [note] = dataset.notes
    assert note == f"left out {tmp_path / 'inner'}: a data set of its own in the folder of another"


def test_a_box_without_area_is_named_where_it_is(add_voc, tmp_path):
    add_voc("a", CAT, ("cat", (5, 6, 5, 9)))
    _, findings = read_with_findings(tmp_path)
    assert [one.boxes for one in findings] == [((4.0, 5.0, 4.0, 9.0),)]
