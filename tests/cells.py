"""A tiny data set that anything can be trained on: made-up cells, as a VOC folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SPLITS = {"train": 6, "val": 2, "test": 2}
COLOURS = {"RBC": (200, 90, 90), "WBC": (120, 90, 190)}
HEIGHT, WIDTH = 96, 128
EMPTY = "train_5"  # has no cell at all


def make_cells(folder: Path) -> Path:
    """Write the images, their annotations and their splits; the same ones each time."""
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    random = np.random.default_rng(0)
    for split, num_images in SPLITS.items():
        names = [f"{split}_{index}" for index in range(num_images)]
        (folder / "ImageSets/Main" / f"{split}.txt").write_text("\n".join(names) + "\n")
        for name in names:
            make_image(folder, name, COLOURS if name != EMPTY else {}, random)
    return folder


def make_image(
    folder: Path, name: str, kinds: Mapping[str, tuple[int, int, int]], random: np.random.Generator
) -> None:
    """One image with a cell of each of these kinds."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (235, 225, 220))
    objects = []
    for column, (label, colour) in enumerate(kinds.items()):
        x1, y1 = random.integers(4, 20, size=2).tolist()
        x1 += column * WIDTH // 2
        width, height = random.integers(24, 40, size=2).tolist()
        box = (x1, y1, x1 + width, y1 + height)
        ImageDraw.Draw(image).ellipse((*box[:2], box[2] - 1, box[3] - 1), fill=colour)
        objects.append(annotation(label, box))
    image.save(folder / "JPEGImages" / f"{name}.jpg", quality=95)
    (folder / "Annotations" / f"{name}.xml").write_text(
        f"<annotation><filename>{name}.jpg</filename>"
        f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
        f"{''.join(objects)}</annotation>\n"
    )


def annotation(label: str, box: tuple[int, int, int, int]) -> str:
    """An object as VOC writes it: pixels counted from 1, both ends included."""
    corners = zip(("xmin", "ymin", "xmax", "ymax"), (box[0] + 1, box[1] + 1, *box[2:]), strict=True)
    bounds = "".join(f"<{tag}>{value}</{tag}>" for tag, value in corners)
    return f"<object><name>{label}</name><difficult>0</difficult><bndbox>{bounds}</bndbox></object>"
