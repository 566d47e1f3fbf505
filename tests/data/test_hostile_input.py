"""Data sets made to harm: a clear error or the right result, and nothing read elsewhere."""

# Tests singleshot/data/opening.py

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from singleshot.data.dataset import DataSet
from singleshot.data.formats.format import Format
from singleshot.data.image_files.decoding import image_size, read_image
from singleshot.data.opening import FORMATS, open_dataset, read_dataset
from singleshot.errors import DataError, SingleshotError
from singleshot.structures import Truth

each_format = pytest.mark.parametrize("data_format", FORMATS, ids=lambda one: one.name)
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
)
VOC_BOX = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"


def voc(name: str = "cat", box: str = VOC_BOX, filename: str = "a.png") -> str:
    thing = f"<object><name>{name}</name>{box}</object>"
    return f"<annotation><filename>{filename}</filename>{thing}</annotation>"


def cvat(name: str = "cat", image: str = "a.png", right: object = 9) -> str:
    box = f'<box label="{name}" xtl="0" ytl="0" xbr="{right}" ybr="9" rotation="1"/>'
    return f'<annotations><image name="{image}">{box}</image></annotations>'


def imglab(name: str = "cat", image: str = "a.png", right: object = 9) -> str:
    box = f"<box top='0' left='0' width='{right}' height='9'><label>{name}</label></box>"
    return f"<dataset><images><image file='{image}'>{box}</image></images></dataset>"


def coco(image: str = "a.png", right: object = 9, **more: object) -> str:
    content = {
        "images": [{"id": 1, "file_name": image, **more}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, right, 9]}],
    }
    return json.dumps(content)


def label_studio(image: str = "a.png", right: object = 9, **more: object) -> str:
    value = {"x": 0, "y": 0, "width": right, "height": 9, "rectanglelabels": ["cat"], **more}
    result = {"type": "rectanglelabels", "value": value, "original_width": 20}
    return json.dumps([{"data": {"image": image}, "annotations": [{"result": [result]}]}])


def via(image: str = "a.png", right: object = 9, **more: object) -> str:
    shape = {"name": "rect", "x": 0, "y": 0, "width": right, "height": 9, **more}
    regions = [{"shape_attributes": shape, "region_attributes": {"class": "cat"}}]
    return json.dumps({"a.png7": {"filename": image, "size": 7, "regions": regions}})


XML = {"a.xml": voc, "annotations.xml": cvat, "train.xml": imglab}
JSON = {"_annotations.coco.json": coco, "export.json": label_studio, "via.json": via}
each_xml = pytest.mark.parametrize(("file", "make"), XML.items(), ids=XML)
each_json = pytest.mark.parametrize(("file", "make"), JSON.items(), ids=JSON)
each_text = pytest.mark.parametrize(("file", "make"), [*XML.items(), *JSON.items()])


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with an image, and one beside it that must not be read."""
    (tmp_path / "data").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "data/a.png")
    Image.new("RGB", (20, 20)).save(tmp_path / "secret.png")
    return tmp_path / "data"


@pytest.fixture
def dataset(tmp_path) -> DataSet:
    (tmp_path / "from").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "from/a.png")
    truth = Truth.of(torch.tensor([[1.0, 1, 9, 9]]), torch.tensor([0]))
    return DataSet.of(("cat",), [(tmp_path / "from/a.png", truth)], description="made up")


def refused(folder: Path, message: str = "data|to") -> None:
    with pytest.raises(SingleshotError, match=message):
        open_dataset(folder)


@each_xml
def test_entities_are_refused(folder, file, make):
    (folder / file).write_text(BOMB + make("&c;&f;"))
    refused(folder, "declares entities")


@each_text
@pytest.mark.parametrize(
    "name",
    [
        "../secret.png",
        "{parent}/secret.png",
        "x/../../secret.png",
        "..\\secret.png",
        "file://{parent}/secret.png",
        "/data/local-files/?d=../secret.png",
        "link/secret.png",
    ],
)
def test_names_never_lead_out_of_the_folder(folder, file, make, name, monkeypatch):
    opened = []
    pillows = Image.open
    monkeypatch.setattr(Image, "open", lambda path: opened.append(path) or pillows(path))
    if name.startswith("link"):
        (folder / "link").symlink_to(folder.parent)
    name = name.format(parent=folder.parent)
    argument = {"filename" if make is voc else "image": name}
    (folder / Path(file).with_stem("b" if make is voc else Path(file).stem)).write_text(
        make(**argument)
    )
    with suppress(DataError):
        for index in range(len(dataset := open_dataset(folder, on_error="skip"))):
            with suppress(DataError):
                dataset[index]
    assert all(Path(path).resolve().parent == folder for path in opened if Path(path).exists())


@each_format
def test_annotation_files_elsewhere_are_not_read(data_format: Format, dataset, tmp_path):
    data_format.write(dataset, tmp_path / "to")
    (tmp_path / "elsewhere").mkdir()
    files = [one for one in (tmp_path / "to").rglob("*.*") if one.suffix != ".png"]
    for file in files:
        file.rename(tmp_path / "elsewhere" / file.name)
        file.symlink_to(tmp_path / "elsewhere" / file.name)
    refused(tmp_path / "to", f"{len(files)} links? out of the folder")
    assert len(open_dataset(tmp_path / "to", follow_links=True)) == 1


@each_format
def test_a_loop_of_links_ends(data_format: Format, dataset, tmp_path):
    data_format.write(dataset, tmp_path / "to")
    (tmp_path / "to/loop").symlink_to(tmp_path / "to")
    (tmp_path / "to/gone.xml").symlink_to(tmp_path / "to/nothing")
    assert len(open_dataset(tmp_path / "to")) == 1
    (tmp_path / "to/itself.json").symlink_to(tmp_path / "to/itself.json")
    with suppress(DataError):  # of a format with a JSON file for each image
        open_dataset(tmp_path / "to")


@each_format
def test_a_file_of_no_bytes_is_refused(data_format: Format, dataset, tmp_path):
    data_format.write(dataset, tmp_path / "to")
    for file in (tmp_path / "to").rglob("*.*"):
        if file.suffix != ".png":
            file.write_bytes(b"")
    refused(tmp_path / "to")


@each_format
def test_noise_is_refused_or_read(data_format: Format, dataset, tmp_path):
    data_format.write(dataset, tmp_path / "to")
    random = np.random.default_rng(0)
    files = [one for one in (tmp_path / "to").rglob("*.*") if one.suffix != ".png"]
    whole = {file: file.read_bytes() for file in files}
    for _ in range(60):
        for file, content in whole.items():
            changed = bytearray(content)
            for position in random.integers(len(content), size=3):
                changed[position] = random.integers(256)
            file.write_bytes(changed)
        try:
            open_dataset(tmp_path / "to")
        except SingleshotError:
            continue


@each_xml
def test_another_encoding_than_declared_is_refused_and_one_declared_is_read(folder, file, make):
    head = '<?xml version="1.0" encoding="{}"?>'
    (folder / file).write_bytes((head.format("utf-8") + make("Käfer")).encode("latin-1"))
    refused(folder, "broken XML|cannot be read")
    (folder / file).write_bytes((head.format("latin-1") + make("Käfer")).encode("latin-1"))
    assert open_dataset(folder).class_names == ("Käfer",)


@each_xml
def test_deep_xml_is_read_or_refused(folder, file, make):
    text = make()
    deep = "<x>" * 200_000 + "</x>" * 200_000
    end = text.rindex("</")
    (folder / file).write_text(text[:end] + deep + text[end:])
    try:
        assert len(open_dataset(folder)) == 1
    except DataError as error:
        assert file in str(error)  # noqa: PT017 (either is right)


@each_json
def test_deep_json_is_refused(folder, file, make):
    deep = "[" * 200_000 + "]" * 200_000
    text = make(right="DEEP").replace('"DEEP"', deep)
    (folder / file).write_text(text)
    refused(folder, "nested too deeply")


@each_text
@pytest.mark.parametrize("number", ["1e999", "-1e999", "1e308", "NaN", "9" * 5000, "9" * 400])
def test_huge_numbers_are_refused_or_clipped(folder, file, make, number):
    if make is voc:
        text = voc(box=VOC_BOX.replace("<xmax>9", f"<xmax>{number}"))
    else:
        text = make(right=123454321).replace("123454321", number)
    (folder / file).write_text(text)
    try:
        boxes = read_dataset(folder).truths.boxes
    except DataError as error:
        assert file in str(error)  # noqa: PT017 (either is right)
        return
    assert ((boxes >= 0) & (boxes <= 20)).all()


@each_text
def test_nul_in_a_name_is_no_path(folder, file, make):
    argument = {"filename" if make is voc else "image": "a.png\0/../../secret.png"}
    (folder / Path(file).with_stem("b" if make is voc else Path(file).stem)).write_text(
        make(**argument)
    )
    refused_or = pytest.raises(SingleshotError)
    with refused_or:
        dataset = open_dataset(folder, on_error="stop")
        # Annotations alone: no file is opened.
        dataset[0]


@each_json
def test_other_types_than_expected_are_refused(folder, file, make):
    text = json.loads(make())
    wrong = (None, True, 3, "text", [], {}, [[]], [None], [{}], {"a": 1})
    for value in wrong:
        for changed in replace_each(text, value):
            (folder / file).write_text(json.dumps(changed))
            try:
                open_dataset(folder)
            except SingleshotError:
                continue


def replace_each(value: object, by: object) -> list[object]:
    """Copies of a value of JSON in which one part each is replaced."""
    changed: list[object] = [by]
    if isinstance(value, dict):
        for key, inner in value.items():
            changed += [{**value, key: one} for one in replace_each(inner, by)]
    if isinstance(value, list):
        for index, inner in enumerate(value):
            changed += [
                [*value[:index], one, *value[index + 1 :]] for one in replace_each(inner, by)
            ]
    return changed


def png_of(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that states a size, whatever it holds."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [14_000, 100_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_by_its_header(folder, side):
    (folder / "a.png").write_bytes(png_of(side, side, zlib.compress(bytes(1000))))
    (folder / "a.xml").write_text(voc())
    with pytest.raises(DataError, match=r"a\.png: the image is too large: \d+ megapixels"):
        read_image(folder / "a.png")
    refused(folder, "too large")


@pytest.mark.filterwarnings("ignore:Image size")  # as on the command line
def test_a_hundred_megapixels_that_are_not_there_are_refused(folder):
    (folder / "a.png").write_bytes(png_of(10_000, 10_000, zlib.compress(bytes(1000))))
    assert image_size(folder / "a.png") == (10_000, 10_000)
    with pytest.raises(DataError, match=r"a\.png: the image is broken"):
        read_image(folder / "a.png")


def test_a_bomb_of_compressed_text_is_refused_or_left(folder):
    content = png_of(20, 20, zlib.compress(bytes(21 * 20)))
    text = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + text))
    (folder / "a.png").write_bytes(content[:33] + chunk + content[33:])
    try:
        assert read_image(folder / "a.png").shape == (3, 20, 20)
    except DataError as error:
        assert "a.png" in str(error)  # noqa: PT017 (either is right)


def sixteen_bits() -> Image.Image:
    return Image.fromarray(np.full((20, 20), 65535, dtype=np.uint16))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (sixteen_bits, "a.png"),
        (lambda: Image.new("CMYK", (20, 20)), "a.jpg"),
        (lambda: Image.new("P", (20, 20)), "a.gif"),
        (lambda: Image.new("L", (20, 20), 255), "a.jpg"),
        (lambda: Image.new("LA", (20, 20)), "a.png"),
        (lambda: Image.new("RGBA", (20, 20)), "a.webp"),
        (lambda: Image.new("1", (20, 20), 1), "a.bmp"),
        (lambda: Image.new("RGB", (20, 20), "white"), "a.tiff"),
    ],
)
def test_images_of_every_mode_are_white(
    folder: Path, make: Callable[[], Image.Image], name: str
) -> None:
    (folder / "a.png").unlink()
    make().save(folder / name)
    (folder / "a.xml").write_text(voc(filename=name))
    image = open_dataset(folder)[0].image
    assert image.shape == (3, 20, 20)
    assert image.dtype == torch.uint8
    if make().mode != "P":
        assert (image >= 254).all()


def test_of_an_animation_the_first_frame_is_read(folder):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    (folder / "a.png").unlink()
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:])
    (folder / "a.xml").write_text(voc(filename="a.gif"))
    assert open_dataset(folder)[0].image[:, 0, 0].tolist() in ([255, 0, 0], [254, 0, 0])


@pytest.mark.parametrize("size", [(1, 1), (20_000, 3), (3, 20_000)])
def test_images_of_one_pixel_and_of_one_line(folder, size):
    Image.new("RGB", size).save(folder / "a.png")
    (folder / "a.xml").write_text(voc())
    dataset = open_dataset(folder)
    assert dataset[0].image.shape == (3, *size[::-1])
    assert (dataset.truths.boxes[:, 2:] <= torch.tensor(size)).all()


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"GIF89a", b"\0" * 100])
def test_an_image_file_without_an_image_is_left_out(folder, content):
    Image.new("RGB", (20, 20)).save(folder / "b.png")
    (folder / "b.xml").write_text(voc(filename="b.png"))
    (folder / "a.png").write_bytes(content)
    (folder / "a.xml").write_text(voc())
    dataset = open_dataset(folder)
    assert len(dataset) == 1
    assert "left out 1 image that cannot be read" in dataset.notes[0]


def test_folders_within_folders_end(tmp_path):
    tmp_path.joinpath(*["d"] * 120).mkdir(parents=True)
    refused(tmp_path, "more than 100 deep")


def test_files_with_the_names_of_folders_and_the_reverse(tmp_path):
    (tmp_path / "a.xml").mkdir()
    (tmp_path / "b.json").mkdir()
    (tmp_path / "train.tfrecord").mkdir()
    (tmp_path / "Annotations").touch()
    (tmp_path / "train").touch()
    refused(tmp_path, "unknown layout")
