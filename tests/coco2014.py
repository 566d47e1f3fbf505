"""A miniature of COCO 2014 as it is published, with the lists of `trainval35k` and `minival`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

__all__ = ["MINIVAL", "TRAIN", "VAL", "image_name", "make_coco2014", "write_split"]

# Image ids; those of both folders are mixed, as COCO's are.
TRAIN, VAL = (1, 4, 5, 8), (2, 3, 6, 7)
MINIVAL = (3, 6)
CATEGORIES = ({"id": 1, "name": "person"}, {"id": 18, "name": "dog"})


def image_name(number: int) -> str:
    """The file name of an image, which has the name of its folder."""
    return f"COCO_{'train' if number in TRAIN else 'val'}2014_{number:012}.jpg"


def make_coco2014(home: Path, images: str = ".") -> Path:
    """Write `train2014/` and `val2014/` (below the folder `images`), and their annotations."""
    for number in (*TRAIN, *VAL):
        path = home / images / image_name(number).split("_")[1] / image_name(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (96, 96), (235, 225, 220))
        ImageDraw.Draw(image).rectangle((8, 8, 47, 55), fill=(200, 90, 90))
        image.save(path)
    for name, numbers in (("train2014", TRAIN), ("val2014", VAL), ("minival2014", MINIVAL)):
        write_split(home, name, numbers)
    return home


def write_split(home: Path, name: str, numbers: Sequence[int]) -> None:
    """Write the annotations of a split: a person in each image, at the same place."""
    content = {
        "images": [
            {"id": number, "file_name": image_name(number), "width": 96, "height": 96}
            for number in numbers
        ],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 1, "bbox": [8, 8, 40, 48]}
            for number in numbers
        ],
        "categories": CATEGORIES,
    }
    file = home / "annotations" / f"instances_{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content))
