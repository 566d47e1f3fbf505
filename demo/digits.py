"""Build the demo data set: scanned digits on photographs, as a VOC folder.

    python demo/digits.py OUTPUT [--seed 0] [--digits 0123456789]

A laptop learns them in seven minutes, three of them in two. Everything in it
comes with scikit-learn, so it needs no network. One seed always gives the same files.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from singleshot.data.dataset import DataSet
from singleshot.data.formats import voc
from singleshot.structures import Truth

IMAGES = {"train": 500, "val": 60, "test": 120}
SPECIMENS = {"train": 0.6, "val": 0.15, "test": 0.25}  # share of the scanned digits
DIGITS = "0123456789"
EMPTY = 0.05  # share of images without any digit
MOST_DIGITS = 8
HEIGHTS = (30, 110)  # of a digit, pixels
MOST_HIDDEN = 0.25  # of a digit's ink, behind digits written later
TRIALS = 20  # places tried for a digit before it is left out
CONTRAST = 80  # gray levels between the ink and nine tenths of the background under it
GRAY = np.array([0.299, 0.587, 0.114])

README = """\
# Digits on photographs

A small detection data set for demonstrations, built by `demo/digits.py` with seed {seed}.
It is made of real pieces, put together by a program: do not mistake it for a benchmark.

- Digits: those that are {digits} of scikit-learn's 1,797 scanned handwritten digits of 8 by 8
  pixels (the test part of UCI's "Optical Recognition of Handwritten Digits"), enlarged to about
  {low} to {high} pixels, slanted, rotated, and inked in a random colour that stands out from what
  is under it.
- Backgrounds: random crops of scikit-learn's two photographs, `china.jpg` and `flower.jpg`
  (Creative Commons Attribution 2.0; see `sklearn/datasets/images/README.txt`).
- The classes are the digits; up to {most} in an image; about one image in twenty has none.
- A box is the tight frame of the ink that can be seen, at least {visible:.0%} of each digit's.
- Splits: {splits}; `trainval` is `train` and `val`. No scanned digit is in
  two of train, val and test; the two photographs are in all of them.
- Layout: PASCAL VOC (`Annotations/`, `JPEGImages/`, `ImageSets/Main/`).
"""


@dataclass(frozen=True)
class Specimens:
    """Scanned digits of one split."""

    scans: np.ndarray  # uint8, (n, 8, 8): 255 is ink
    labels: np.ndarray  # int, (n,)


@dataclass(frozen=True)
class Digit:
    """One digit in an image."""

    label: int
    colour: np.ndarray  # float, (3,): RGB from 0 to 255
    ink: np.ndarray  # float, 0 none … 1 full, within the window
    window: tuple[slice, slice]  # rows and columns of the image
    visible: np.ndarray  # bool, (height, width) of the image: where its ink can be seen

    def behind(self, later: Digit) -> Digit:
        """Remove what a later digit covers."""
        visible = self.visible.copy()
        visible[later.window] &= later.ink <= 0.5
        return replace(self, visible=visible)

    def is_hidden(self) -> bool:
        """Test that too little of the ink is visible."""
        return self.visible.sum() < (1 - MOST_HIDDEN) * (self.ink > 0.5).sum()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and build the data set."""
    parser = argparse.ArgumentParser(description="Scanned digits on photographs, as a VOC folder.")
    parser.add_argument("output", type=Path, help="folder to build it in")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--digits", default=DIGITS, help="which, as in 0123456789")
    options = parser.parse_args(arguments)
    build(options.output, seed=options.seed, digits=options.digits)
    print(f"{sum(IMAGES.values())} images in {options.output}")


def build(
    output: Path, *, seed: int, digits: str = DIGITS, num_images: dict[str, int] = IMAGES
) -> None:
    """Draw the images of each split, then write them as a VOC folder with a README."""
    photographs = [Image.fromarray(photograph) for photograph in load_sample_images().images]
    folder = output / "JPEGImages"
    folder.mkdir(parents=True, exist_ok=True)
    images: list[tuple[Path, Truth]] = []
    splits: dict[str, list[int]] = {}
    for number, (split, specimens) in enumerate(specimens_of_splits(seed, digits).items()):
        splits[split] = [len(images) + index for index in range(num_images[split])]
        for index in range(num_images[split]):
            random = np.random.default_rng((seed, number, index))
            image, truth = draw(specimens, photographs, random)
            images.append((folder / f"{split}_{index:04}.jpg", truth))
            image.save(images[-1][0], quality=92)
    splits["trainval"] = splits["train"] + splits["val"]
    dataset = DataSet.of(tuple(digits), images, description=str(output))
    voc.FORMAT.write(dataset, output, splits=splits)
    write_readme(output, seed, digits, num_images)


def write_readme(output: Path, seed: int, digits: str, num_images: dict[str, int]) -> None:
    """Write a README into the folder."""
    text = README.format(
        digits=" or ".join(digits),
        seed=seed,
        low=HEIGHTS[0],
        high=HEIGHTS[1],
        most=MOST_DIGITS,
        visible=1 - MOST_HIDDEN,
        splits=", ".join(f"{split} {count}" for split, count in num_images.items()),
    )
    (output / "README.md").write_text(text, encoding="utf-8")


def specimens_of_splits(seed: int, digits: str) -> dict[str, Specimens]:
    """Divide the scanned digits between the splits; labels index `digits`."""
    scanned = load_digits()
    label_of = np.array([digits.find(str(digit)) for digit in range(10)])
    labels = label_of[scanned.target]
    order = np.random.default_rng(seed).permutation(np.flatnonzero(labels >= 0))
    bounds = np.cumsum([round(share * len(order)) for share in SPECIMENS.values()])[:-1]
    scans = (scanned.images / 16 * 255).astype(np.uint8)
    return {
        split: Specimens(scans[chosen], labels[chosen])
        for split, chosen in zip(SPECIMENS, np.split(order, bounds), strict=True)
    }


def draw(
    specimens: Specimens, photographs: Sequence[Image.Image], random: np.random.Generator
) -> tuple[Image.Image, Truth]:
    """One image with its digits."""
    image = np.asarray(background(photographs, random), dtype=np.float32)
    digits: list[Digit] = []
    num_digits = 0 if random.random() < EMPTY else random.integers(1, MOST_DIGITS + 1)
    for _ in range(num_digits):
        choice = random.integers(len(specimens.labels))
        shape = slanted(Image.fromarray(specimens.scans[choice]), random)
        digit = place(shape, int(specimens.labels[choice]), image, digits, random)
        if digit is not None:
            digits = [*(other.behind(digit) for other in digits), digit]
            opacity = random.uniform(0.85, 1.0) * digit.ink[..., None]
            image[digit.window] += opacity * (digit.colour - image[digit.window])
    boxes = torch.tensor([frame(digit.visible) for digit in digits], dtype=torch.float32)
    labels = torch.tensor([digit.label for digit in digits], dtype=torch.int64)
    truth = Truth.of(boxes.reshape(-1, 4), labels)
    return Image.fromarray(np.rint(image).astype(np.uint8)), truth


def background(photographs: Sequence[Image.Image], random: np.random.Generator) -> Image.Image:
    """Draw a random crop of a random photograph, at about 320 by 240 pixels."""
    photograph = photographs[int(random.integers(len(photographs)))]
    width, height = (int(side * random.uniform(0.9, 1.1)) for side in (320, 240))
    zoom = random.uniform(0.6, 1.6)
    crop = min(width / zoom, photograph.width), min(height / zoom, photograph.height)
    left, top = (
        random.uniform(0, length - side) for length, side in zip(photograph.size, crop, strict=True)
    )
    box = (left, top, left + crop[0], top + crop[1])
    turned = photograph.resize((width, height), Image.Resampling.BICUBIC, box)
    return turned.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else turned


def slanted(scan: Image.Image, random: np.random.Generator) -> np.ndarray:
    """Enlarge, shear and rotate a scan: ink from 0 to 1, cut to its frame."""
    low, high = np.log(HEIGHTS)
    height = np.exp(random.uniform(low, high))
    padded = Image.new("L", (12, 12))
    padded.paste(scan, (2, 2))
    size = (round(height * random.uniform(1.2, 1.7)), round(height * 1.5))
    large = padded.resize(size, Image.Resampling.BICUBIC)
    shear = random.uniform(-0.25, 0.25)
    matrix = (1, shear, -shear * large.height / 2, 0, 1, 0)
    sheared = large.transform(large.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    turned = sheared.rotate(random.uniform(-15, 15), Image.Resampling.BICUBIC, expand=True)
    # The scans fade out over a whole pixel of eight; a steeper edge makes them strokes of a pen.
    ink = ((np.asarray(turned) / 255 - 0.42) / 0.16).clip(0, 1)
    x1, y1, x2, y2 = frame(ink > 0.5)
    return ink[y1:y2, x1:x2]


def place(
    shape: np.ndarray,
    label: int,
    image: np.ndarray,
    digits: Sequence[Digit],
    random: np.random.Generator,
) -> Digit | None:
    """Place a digit where it is legible and hides no other too much; None if it fits nowhere."""
    height, width = shape.shape
    for _ in range(TRIALS):
        top = random.integers(image.shape[0] - height + 1)
        left = random.integers(image.shape[1] - width + 1)
        window = slice(top, top + height), slice(left, left + width)
        colour = legible_colour(image[window][shape > 0.5], random)
        if colour is None:
            continue
        visible = np.zeros(image.shape[:2], dtype=bool)
        visible[window] = shape > 0.5
        digit = Digit(label, colour, shape, window, visible)
        if not any(other.behind(digit).is_hidden() for other in digits):
            return digit
    return None


def legible_colour(under: np.ndarray, random: np.random.Generator) -> np.ndarray | None:
    """Draw a random colour that contrasts with most of the pixels (n, 3) under the ink."""
    colours = random.uniform(0, 255, (20, 3))
    colours[-4:] = [[0, 0, 0], [255, 255, 255], [0, 0, 60], [255, 255, 200]]
    distances = np.abs((colours @ GRAY)[:, None] - under @ GRAY)
    distances.partition(len(under) // 10, axis=1)  # the closest tenth may be too close
    legible = np.flatnonzero(distances[:, len(under) // 10] >= CONTRAST)
    return colours[legible[0]] if len(legible) else None


def frame(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(x1, y1, x2, y2), half-open, around what is marked."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


if __name__ == "__main__":
    main()
