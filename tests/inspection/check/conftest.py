"""A data set without any error, as VOC or COCO, into which tests plant one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

TAGS = ("xmin", "ymin", "xmax", "ymax")
SIZE = (48, 64)  # (height, width)
SPLITS = {"train": range(16), "val": range(16, 20), "test": range(20, 24)}
ORIENTATION = 0x0112  # the EXIF tag


@dataclass
class Planted:
    """Images with objects, to be changed before they are written."""

    folder: Path
    # Of each image by its stem: objects as (name, box as VOC writes it, difficult).
    objects: dict[str, list[tuple[str, Sequence[Any], int]]] = field(default_factory=dict)
    splits: dict[str, list[str]] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)  # as annotated

    def image(self, stem: str, suffix: str = ".jpg") -> Path:
        """Path of an image."""
        return self.folder / "JPEGImages" / f"{stem}{suffix}"

    def draw(self, stem: str, size: tuple[int, int] = SIZE, **save: Any) -> Path:
        """Save an image that looks like no other, and annotate its size."""
        random = np.random.default_rng(abs(hash(stem)) if not stem.isdecimal() else int(stem))
        coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        path = self.image(stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.NEAREST)
        made.save(path, quality=90, **save)
        self.sizes[stem] = size
        return path

    def write_voc(self) -> Path:
        """Write the annotations as VOC; returns the folder."""
        (self.folder / "Annotations").mkdir(exist_ok=True)
        for stem, objects in self.objects.items():
            height, width = self.sizes[stem]
            size = f"<size><width>{width}</width><height>{height}</height></size>"
            body = "".join(_voc_object(*one) for one in objects)
            text = f"<annotation><filename>{stem}.jpg</filename>{size}{body}</annotation>"
            (self.folder / "Annotations" / f"{stem}.xml").write_text(text)
        lists = self.folder / "ImageSets/Main"
        lists.mkdir(parents=True, exist_ok=True)
        for name, stems in self.splits.items():
            (lists / f"{name}.txt").write_text("".join(f"{stem}\n" for stem in stems))
        return self.folder

    def coco(self) -> dict[str, Any]:
        """Make the content of a COCO file of all images."""
        content: dict[str, Any] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        }
        for number, (stem, objects) in enumerate(self.objects.items(), start=1):
            height, width = self.sizes[stem]
            entry = {"id": number, "file_name": f"{stem}.jpg", "width": width, "height": height}
            content["images"].append(entry)
            for name, (x1, y1, x2, y2), _ in objects:
                content["annotations"].append(
                    {
                        "id": len(content["annotations"]) + 1,
                        "image_id": number,
                        "category_id": 1 + ["cat", "dog"].index(name),
                        "bbox": [x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1],
                    }
                )
        return content

    def write_coco(self, content: dict[str, Any]) -> Path:
        """Write a COCO file beside the images; returns it."""
        file = self.folder / "JPEGImages" / "labels.json"
        file.write_text(json.dumps(content))
        return file


def _voc_object(name: str, box: Sequence[Any], difficult: int) -> str:
    sides = "".join(f"<{tag}>{side}</{tag}>" for tag, side in zip(TAGS, box, strict=True))
    named = f"<name>{name}</name><difficult>{difficult}</difficult>"
    return f"<object>{named}<bndbox>{sides}</bndbox></object>"


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    """Twenty-four images with a cat and a dog each, in three splits; nothing wrong with them."""
    made = Planted(tmp_path / "pets")
    for number in range(24):
        stem = f"{number:02}"
        made.draw(stem)
        cat, dog = (number + 1, 3, number + 16, 20), (30, number + 1, 50, number + 20)
        made.objects[stem] = [("cat", cat, 0), ("dog", dog, 0)]
    made.splits = {name: [f"{number:02}" for number in some] for name, some in SPLITS.items()}
    return made
