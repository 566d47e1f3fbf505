"""TFRecord, as the TensorFlow Object Detection API reads it."""

# Tests singleshot/data/formats/tfrecord/files.py

from __future__ import annotations

import base64
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from singleshot.data.formats import tfrecord
from singleshot.data.formats.tfrecord.files import (
    Example,
    encode_example,
    encode_record,
    read_records,
)
from singleshot.data.opening import open_dataset, read_dataset, splits_of
from singleshot.errors import DataError

# Two records of TensorFlow 2.21's TFRecordWriter: an 8 by 6 image with two objects, one without.
TENSORFLOWS = zlib.decompress(
    base64.b32decode(
        "PDNDGZ3CACB5WHRPS5YW2YPBKLQOFS6MJVGE7VKPZPGETTKLZRGRLYXD4LQ6ESSOZQ25IT6UFPEEXZ2S4KJIBKGIJ7FE"
        "UTJO2FH44SJMF3LM6SKMJLGRCYUTMLQWEYTC4QJOPYUBTKJF7FE3LARMJTWFZLCQZUVMYUSY4RLTJFVELCIQH4LS6F43"
        "67QSK2NJIVOMZSMJEVAKPCFBVBG4STCLZNGC5TJJQFMMHQGIUWDKMIRJFG7UFPZSG6YUFCCHRCFYXA4BUHAR5BFRVOVU"
        "AUWHABISOCTTOZDGUZT2I2ERBKYUGMLSGGZONMZPHEFVGMYHAKLSBGRKQSZMJJGYIKOZ4DAMBYHAYQK4LRILKGJJVF44"
        "T6JJUIXEZHS45ZO2DHQOPTWLEXCQKNEE27J4GJIIJCBUYZPDABCU4YN2Y4NCBRPD5HRBRQRRGM4UDIQHZCN4NQHYJTB5"
        "4GTEVWT2XH6LHKTYIJS4XZCDRM6BB3WEYEJON2ELV4WMSSJAZCBHHG4CJOHYEGRML6NFIXE2T4MZFFBMAOHDMI2OJEXH"
        "CJCTCN5THA7LSKF7HQCRUDIMOGT3OKH4MOACNI3ZKMLHB7LGUSUT7RJRSIUNRIKJHA6CNCZ3ZEYXCMIALXBZDF42TZMJ"
        "EWIGJTVFFQFE733T6FBQ4JFA6MRYAONETCCBOXM6MWIAICKNYRQ="
    )
)
CORNERS = ("xmin", "xmax", "ymin", "ymax")


def png(width: int = 40, height: int = 30) -> bytes:
    content = BytesIO()
    Image.new("RGB", (width, height)).save(content, "PNG")
    return content.getvalue()


def features(name: str = "a.png", **more: list) -> dict[str, list]:
    """An image of 40 by 30 pixels with a box; names of further features without "image/"."""
    values = {
        "encoded": [png()],
        "filename": [name.encode()],
        "height": [30],
        "width": [40],
        "object/class/text": [b"cat"],
        **{f"object/bbox/{key}": [0.25 if "min" in key else 0.5] for key in CORNERS},
        **{key.replace("__", "/"): value for key, value in more.items()},
    }
    return {f"image/{key}": value for key, value in values.items() if value != [None]}


@pytest.fixture
def write(tmp_path):
    """Write a TFRecord of examples."""

    def write_file(*examples: dict[str, list], name: str = "train.tfrecord") -> Path:
        with (tmp_path / name).open("wb") as file:
            for example in examples:
                file.write(encode_record(encode_example(example)))
        return tmp_path / name

    return write_file


def test_a_file_of_tensorflow_is_read(tmp_path):
    (tmp_path / "cats_train.record-00000-of-00001").write_bytes(TENSORFLOWS)
    dataset = read_dataset(tmp_path, "train")
    assert dataset.class_names == ("Käfer", "cat")
    assert dataset.truths.boxes.tolist() == [[2, 3, 4, 6], [0, 0, 8, 6]]
    assert dataset.truths.labels.tolist() == [0, 1]
    assert dataset.truths.difficult.tolist() == [False, True]
    assert dataset.truths.areas.tolist() == [5.5, 48]
    assert dataset.ends.tolist() == [2, 2]
    assert [Path(path).name for path in dataset.paths] == ["a.png", "b.png"]
    assert dataset[0].image.shape == (3, 6, 8)
    assert dataset.sizes.tolist() == [[6, 8], [6, 8]]


def test_our_records_are_those_of_tensorflow(tmp_path):
    file = tmp_path / "a.tfrecord"
    file.write_bytes(TENSORFLOWS)
    again = b"".join(encode_record(record.payload) for record in read_records(file))
    assert again == TENSORFLOWS


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.one_of(
            st.lists(st.binary(max_size=300), min_size=1),
            st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
            st.lists(st.floats(width=32, allow_nan=False), min_size=1),
        ),
    )
)
def test_what_is_encoded_is_read_again(made):
    example = Example(encode_example(made), "here")
    for name, values in made.items():
        match values[0]:
            case bytes():
                texts = [one.decode("utf-8", "replace") for one in values]
                assert example.texts(name) == texts
            case int():
                assert example.integers(name) == values
            case _:
                assert example.floats(name) == values
    assert example.features.keys() == made.keys()


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda one: b"\x0a\x20\x0a\x10" + one))
def test_any_bytes_are_read_or_refused(content):
    with suppress(DataError):
        example = Example(content, "here")
        for name in example.features:
            for read in (example.texts, example.floats, example.integers):
                with suppress(DataError):
                    read(name)


def test_regions_and_flags(write):
    dataset = read_dataset(
        write(
            features("a.png", object__is_crowd=[1]),
            features("b.png", object__group_of=[1]),
            features("c.png", object__difficult=[1], object__is_crowd=[0]),
        )
    )
    assert dataset.truths.crowd.tolist() == [True, True, False]
    assert dataset.truths.difficult.tolist() == [False, False, True]


@pytest.mark.parametrize("name", ["label_map.pbtxt", "train_label_map.pbtxt", "other.pbtxt"])
def test_numbers_are_names_by_the_label_map(write, tmp_path, name):
    (tmp_path / name).write_text(
        "# classes\nitem {\n  name: \"/m/01yrx\"\n  id: 2, display_name: 'it\\'s a \\303\\251'\n}\n"
        'item{id:1 name:"dog" keypoints { id: 9 label: "nose" }}'
    )
    numbers = {"object__class__text": [None], "object__class__label": [2]}
    dataset = read_dataset(write(features(**numbers)))
    assert dataset.class_names == ("dog", "it's a é")
    assert dataset.truths.labels.tolist() == [1]


def test_files_are_splits_and_shards_belong_together(write, tmp_path):
    write(features("a.png"), name="coco_train.record-00000-of-00002")
    write(features("b.png"), name="coco_train.record-00001-of-00002")
    write(features("c.png"), name="val-00000-of-00001.tfrecord")
    write(features("d.png"), name="cells.tfrecord")
    assert splits_of(tmp_path) == ("cells", "train", "val")
    assert [Path(path).name for path in read_dataset(tmp_path, "train").paths] == ["a.png", "b.png"]
    assert len(read_dataset(tmp_path)) == 4


def test_all_files_of_a_split_are_read(write, tmp_path):
    for name in ("coco_train", "train", "voc_train", "voc_val"):
        write(features(f"{name}.png"), name=f"{name}.tfrecord")
    assert splits_of(tmp_path) == ("train", "val")
    names = [Path(path).stem for path in read_dataset(tmp_path, "train").paths]
    assert names == ["coco_train", "train", "voc_train"]


def test_an_area_is_one_of_pixels_also_without_a_size_of_the_image(write):
    with_size, without = (
        read_dataset(write(features(object__area=[60.0], **more)))
        for more in ({}, {"height": [None], "width": [None]})
    )
    assert with_size.truths.areas.tolist() == [60]
    assert without.truths.areas.tolist() == [10 * 7.5]  # that of the box


def test_images_of_one_name_are_different_images(write):
    dataset = read_dataset(write(features("a.png"), features("a.png")))
    assert len(dataset) == 2


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("/data/cam1/a.b.jpg", "a.b.jpg"),
        ("C:\\cam1\\a.jpg", "a.jpg"),
        ("../../etc/passwd", "passwd.png"),
        ("a\0b/..", "000001.png"),
        ("", "000001.png"),
    ],
)
def test_the_name_is_that_of_a_file(write, stated, name):
    dataset = read_dataset(write(features(stated)))
    assert [Path(path).name for path in dataset.paths] == [name]
    assert dataset[0].image.shape == (3, 30, 40)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (features(encoded=[None]), "record 2: has no image/encoded, but image/filename, "),
        (features(object__bbox__xmin=[0.1, 0.2]), "corners differ in number: xmin 2, ymin 1"),
        (features(object__is_crowd=[0, 0]), "is_crowd has 2 values for 1 boxes"),
        (features(object__class__text=[b"a", b"b"]), "has 2 class texts for 1 boxes"),
        (
            features(object__class__text=[None], object__class__label=[4]),
            r"an object of class 4 without text, which no label_map\.pbtxt",
        ),
    ],
)
def test_a_wrong_record_is_named(write, example, message):
    with pytest.raises(DataError, match=message):
        read_dataset(write(features(), example))


def test_an_unreadable_image_in_a_record_is_named(write):
    dataset = read_dataset(write(features(), features("bad.png", encoded=[b"no image"])))
    assert len(dataset) == 1
    assert "left out 1 image that cannot be read" in dataset.notes[0]
    assert "bad.png: is not an image" in dataset.notes[0]


@pytest.mark.parametrize("length", [0, 1, 11, 13, 60, 200])
def test_a_file_cut_short_is_an_error(write, length):
    file = write(features())
    file.write_bytes(file.read_bytes() + file.read_bytes()[:length])
    if not length:
        assert len(read_dataset(file)) == 1
        return
    with pytest.raises(DataError, match=r"train\.tfrecord: record 2 is cut short, .*copy the file"):
        read_dataset(file)


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (0, "no TFRecord, or damaged"),
        (9, "no TFRecord, or damaged"),
        (100, "record 1 differs"),
        (-1, "record 1 differs from its checksum"),
    ],
)
def test_a_changed_byte_is_an_error(write, position, message):
    file = write(features())
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_dataset(file)


def test_a_compressed_file_is_an_error(tmp_path):
    (tmp_path / "a.tfrecord").write_bytes(b"\x1f\x8b" + bytes(30))
    with pytest.raises(DataError, match="is compressed; unpack it first"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("item", "message"),
    [("id: 1", "id 1 has no name"), ('id: -1 name: "a"', "has the id '-1'"), ("", "has the id ''")],
)
def test_a_wrong_label_map_is_named(write, tmp_path, item, message):
    (tmp_path / "label_map.pbtxt").write_text(f"item {{ {item} }}")
    with pytest.raises(DataError, match=message):
        read_dataset(write(features()))


def test_an_image_that_is_turned_is_written_upright(tmp_path):
    image = Image.new("RGB", (40, 30))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "a.xml").write_text(
        "<annotation><object><name>c</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>20</xmax>"
        "<ymax>39</ymax></bndbox></object></annotation>"
    )
    dataset = read_dataset(tmp_path)
    tfrecord.FORMAT.write(dataset, tmp_path / "to")
    again = open_dataset(tmp_path / "to")
    assert again.sizes.tolist() == dataset.sizes.tolist() == [[40, 30]]
    torch.testing.assert_close(again.truths.boxes.float(), dataset.truths.boxes.float())
    record = next(read_records(tmp_path / "to/all.tfrecord"))
    start, end = Example(record.payload, "").span("image/encoded")
    assert Image.open(BytesIO(record.payload[start:end])).size == (30, 40)


def test_images_in_records_are_copied_by_other_writers(write, tmp_path):
    from singleshot.data.formats import coco

    dataset = read_dataset(write(features()))
    coco.FORMAT.write(dataset, tmp_path / "to")
    assert (tmp_path / "to/images/a.png").read_bytes() == png()


def test_a_file_may_be_written_over_the_one_that_is_read(write, tmp_path):
    dataset = read_dataset(write(features("a.png"), features("b.png")))
    tfrecord.FORMAT.write(dataset, tmp_path, splits={"train": [1, 0]})
    again = read_dataset(tmp_path)
    assert [Path(path).name for path in again.paths] == ["b.png", "a.png"]
    assert again[1].image.shape == (3, 30, 40)
