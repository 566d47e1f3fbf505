"""CVAT for images and CVAT for video."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from singleshot.data.formats import cvat
from singleshot.data.opening import open_dataset, read_dataset, splits_of
from singleshot.data.splits import evaluation_split, training_split
from singleshot.errors import DataError

BOX = '<box label="cat" occluded="0" source="manual" xtl="1.50" ytl="2.00" xbr="11.00" ybr="12.00"'


def labels(*names: str) -> str:
    found = "".join(
        f"<label><name>{name}</name><color>#fff</color><attributes></attributes></label>"
        for name in names
    )
    return f"<meta><task><id>1</id><labels>{found}</labels></task></meta>"


def image(name: str, *shapes: str, more: str = "") -> str:
    head = f'<image id="0" name="{name}"{more} width="40" height="30">'
    return f"{head}{''.join(shapes)}</image>"


@pytest.fixture
def add_cvat(tmp_path):
    """Write an export of CVAT, with images of 40 by 30 pixels in `images/`."""

    def add(*content: str, images: tuple[str, ...] = ("a.jpg",)) -> Path:
        for name in images:
            file = tmp_path / "images" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30)).save(file)
        head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
        (tmp_path / "annotations.xml").write_text(f"{head}{''.join(content)}</annotations>")
        return tmp_path

    return add


def test_boxes_and_the_order_of_labels_are_cvats(add_cvat):
    dataset = read_dataset(add_cvat(labels("dog", "cat"), image("a.jpg", f"{BOX}/>")))
    assert dataset.class_names == ("dog", "cat")
    assert dataset.truths.boxes.tolist() == [[1.5, 2, 11, 12]]
    assert dataset.truths.labels.tolist() == [1]
    assert dataset.description.startswith("CVAT layout")


def test_a_rotated_box_becomes_the_box_around_it(add_cvat):
    box = BOX.replace("1.50", "10").replace("11.00", "30").replace("2.00", "10", 1)
    box = box.replace("12.00", "20")
    dataset = read_dataset(add_cvat(image("a.jpg", f'{box} rotation="90.00"/>')))
    torch.testing.assert_close(
        dataset.truths.boxes, torch.tensor([[15.0, 5, 25, 25]], dtype=torch.float64)
    )
    assert "took the box around 1 box that are rotated" in dataset.notes[0]


def test_polygons_are_boxed_and_shapes_without_a_box_counted(add_cvat):
    polygon = '<polygon label="cat" points="3.0,4.0;20.5,5.0;9.0,25.0" z_order="0"></polygon>'
    points = '<points label="nose" points="3.0,4.0"></points>'
    mask = '<mask label="cat" rle="1, 2" left="1" top="1" width="3" height="1"></mask>'
    dataset = read_dataset(
        add_cvat(labels("cat"), image("a.jpg", polygon, points, points, mask, "<tag label='x'/>"))
    )
    assert dataset.truths.boxes.tolist() == [[3, 4, 20.5, 25]]
    assert dataset.class_names == ("cat",)
    notes = "\n".join(dataset.notes)
    for note in (
        "2 of type points",
        "1 of type mask",
        "1 of type tag",
        "bounding box of 1 polygon",
    ):
        assert note in notes


def test_attributes_of_its_converters_are_flags(add_cvat):
    crowd = f'{BOX}><attribute name="is_crowd">true</attribute></box>'
    hard = f'{BOX}><attribute name="Difficult">1</attribute><attribute name="x">1</attribute></box>'
    none = f'{BOX}><attribute name="difficult">false</attribute></box>'
    truths = read_dataset(add_cvat(image("a.jpg", crowd, hard, none))).truths
    assert truths.crowd.tolist() == [True, False, False]
    assert truths.difficult.tolist() == [False, True, False]


def test_subsets_are_splits_whose_images_have_a_folder_each(add_cvat):
    folder = add_cvat(
        labels("cat"),
        *(image("a.jpg", f"{BOX}/>", more=f' subset="{one}"') for one in ("Train", "Test")),
        image("b.jpg", more=' subset="Validation"'),
        images=("Train/a.jpg", "Test/a.jpg", "Validation/b.jpg"),
    )
    assert splits_of(folder) == ("Test", "Train", "Validation")
    data = training_split([folder], None, None, seed=0)
    assert [len(data.train), len(data.validation)] == [1, 1]
    assert Path(data.train.paths[0]) == folder / "images/Train/a.jpg"
    test = evaluation_split([folder], None).dataset
    assert Path(test.paths[0]) == folder / "images/Test/a.jpg"
    assert len(read_dataset(folder)) == 3


def test_frames_of_a_video_are_those_with_a_box(add_cvat):
    track = (
        '<track id="0" label="cat" source="manual">'
        + "".join(
            f'<box frame="{frame}" outside="{outside}" occluded="0" keyframe="1" '
            f'xtl="{frame}" ytl="2" xbr="20" ybr="12"></box>'
            for frame, outside in ((3, 0), (4, 0), (5, 1))
        )
        + "</track>"
    )
    size = "<original_size><width>40</width><height>30</height></original_size>"
    meta = labels("cat").replace("</task>", f"{size}</task>")
    images = tuple(f"frame_{frame:06}.PNG" for frame in (3, 4, 5))
    other = track.replace('"cat"', '"dog"').replace('frame="4"', 'frame="3"')
    dataset = read_dataset(add_cvat(meta, track, other, images=images))
    assert [Path(path).name for path in dataset.paths] == ["frame_000003.PNG", "frame_000004.PNG"]
    assert dataset.ends.tolist() == [3, 4]
    assert dataset.truths.boxes[-1].tolist() == [4, 2, 20, 12]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (image("a.jpg", f"{BOX}/>".replace('"1.50"', '"x"')), r"box 1: xtl is 'x'; expected"),
        (image("a.jpg", f"{BOX}/>".replace('"cat"', '""')), "has no label"),
        (image(""), "image 2: has no name"),
        (image("a.jpg", '<polygon label="a" points="1,2;3"/>'), "points is '1,2;3'"),
        ('<track label="a"><box frame="-1" outside="0"/></track>', "frame is '-1'"),
        ('<track label="a"><box frame="1" outside="x"/></track>', "outside is 'x'"),
    ],
)
def test_a_wrong_shape_is_named(add_cvat, content, message):
    with pytest.raises(DataError, match=message):
        read_dataset(add_cvat(image("a.jpg"), content))


def test_files_of_several_tasks_are_splits_by_their_names(add_cvat):
    folder = add_cvat(image("a.jpg", f"{BOX}/>"))
    (folder / "annotations.xml").rename(folder / "train.xml")
    add_cvat(image("b.jpg"), images=("b.jpg",))
    (folder / "annotations.xml").rename(folder / "val.xml")
    assert splits_of(folder) == ("train", "val")
    assert len(read_dataset(folder, "val")) == 1


def test_a_subset_never_leads_out_of_the_folder(add_cvat, tmp_path):
    folder = add_cvat(image("a.jpg", more=' subset="../.."'), image("b.jpg"), images=("b.jpg",))
    Image.new("RGB", (40, 30)).save(tmp_path.parent / "a.jpg")
    with pytest.raises(DataError, match=r"there is no image 'a\.jpg'"):
        read_dataset(folder)


def test_cvats_export_of_voc_has_the_boxes_of_voc(shared):
    voc = shared / "data/voc2012_100"
    file = voc / "other-formats/cvat/annotations.xml"
    assert cvat.FORMAT.recognise(file.parent)
    ours = open_dataset(file, images=voc / "VOC2012/JPEGImages")
    theirs = open_dataset(voc / "VOC2012")
    index_of = {Path(path).name: index for index, path in enumerate(theirs.paths)}
    assert len(ours) == len(theirs) == 100
    for index, path in enumerate(ours.paths):
        truth, other = ours.truth(index), theirs.truth(index_of[Path(path).name])
        # The export has kept VOC's numbers, which count from 1.
        found = sorted((truth.boxes - torch.tensor([1.0, 1, 0, 0])).tolist())
        assert found == sorted(other.boxes.tolist())
