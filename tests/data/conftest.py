"""Small data sets, written by hand rather than by our own writers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

TAGS = ("xmin", "ymin", "xmax", "ymax")


def voc_object(name: str, box: Sequence[object], difficult: int = 0) -> str:
    """An object of a VOC file; the box as VOC writes it."""
    sides = "".join(f"<{tag}>{side}</{tag}>" for tag, side in zip(TAGS, box, strict=True))
    named = f"<name>{name}</name><difficult>{difficult}</difficult>"
    return f"<object>{named}<bndbox>{sides}</bndbox></object>"


@pytest.fixture
def add_voc(tmp_path: Path) -> Callable[..., Path]:
    """Add an annotated image, 40 wide and 30 high, to a VOC folder; returns its XML file."""

    def add(
        stem: str,
        *objects: tuple[Any, ...],  # arguments of `voc_object`
        folder: Path = tmp_path,
        size: tuple[object, object] = (40, 30),
        filename: str = "",
    ) -> Path:
        (folder / "Annotations").mkdir(parents=True, exist_ok=True)
        (folder / "JPEGImages").mkdir(exist_ok=True)
        Image.new("RGB", (40, 30)).save(folder / "JPEGImages" / f"{stem}.jpg")
        xml = folder / "Annotations" / f"{stem}.xml"
        head = f"<filename>{filename or stem + '.jpg'}</filename>"
        head += f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
        body = "".join(voc_object(*found) for found in objects)
        xml.write_text(f"<annotation>{head}{body}</annotation>")
        return xml

    return add


@pytest.fixture
def add_split(tmp_path: Path) -> Callable[..., Path]:
    """List images in a VOC split file."""

    def add(name: str, *stems: str, folder: Path = tmp_path) -> Path:
        file = folder / "ImageSets/Main" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{stem}\n" for stem in stems))
        return file

    return add


@pytest.fixture
def add_coco(tmp_path: Path) -> Callable[..., Path]:
    """Write a COCO split of images, 40 wide and 30 high; returns its JSON file."""

    def add(
        name: str = "train2017",
        *boxes: Mapping[str, Any],
        num_images: int = 2,
        categories: Mapping[int, str] | None = None,
        images_in: str | None = "",
        first_id: int = 10,
    ) -> Path:
        categories = {1: "cat", 3: "dog"} if categories is None else categories
        ids = range(first_id, first_id + num_images)
        if images_in is not None:
            folder = tmp_path / (images_in or name)
            folder.mkdir(parents=True, exist_ok=True)
            for image_id in ids:
                Image.new("RGB", (40, 30)).save(folder / f"{image_id}.jpg")
        content = {
            "images": [{"id": i, "file_name": f"{i}.jpg", "width": 40, "height": 30} for i in ids],
            "categories": [{"id": i, "name": name} for i, name in categories.items()],
            "annotations": [
                {"id": i, "image_id": first_id, "category_id": 1, "bbox": [0, 0, 9, 9], **box}
                for i, box in enumerate(boxes)
            ],
        }
        file = tmp_path / "annotations" / f"instances_{name}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content))
        return file

    return add


CAT = ("cat", (1, 1, 10, 10))


DOG = ("dog", (5, 5, 20, 20))


@pytest.fixture
def voc_folder(add_voc, add_split, tmp_path):
    """Twelve images: train 0-7, val 8-9, trainval 0-9, test 10-11."""
    for index in range(12):
        add_voc(f"{index:02}", *([CAT] if index % 2 else [CAT, DOG]))
    numbers = [f"{index:02}" for index in range(12)]
    add_split("train", *numbers[:8])
    add_split("val", *numbers[8:10])
    add_split("trainval", *numbers[:10])
    add_split("test", *numbers[10:])
    return tmp_path
