"""Data sets of the corpus, written as VOC folders with the splits `trainval` and `test`.

All contestants then read the same files, and a peer needs to read nothing but VOC folders: images
that torchvision cannot read (one of `kangaroo` is cut short) become PNG files, and names that a
list of names cannot hold become numbers.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

import singleshot
from benchmarks.starts import Set
from singleshot.data.dataset import DataSet, join_datasets
from singleshot.data.formats import voc
from singleshot.data.image_files.paths import ImagePaths
from singleshot.data.stratification import stratified_parts

__all__ = [
    "NAMES",
    "TEST",
    "TRAIN",
    "find_set",
    "names_in",
    "prepare",
    "shared_data",
    "split_of",
    "split_size",
    "write_split",
]

TRAIN, TEST = "trainval", "test"
WITH_SPLITS = ("bccd", "plates", "kangaroo", "traffic")
NAMES = (*WITH_SPLITS, "voc2012_100", "digits")
DIGITS = Path(__file__).resolve().parent.parent / "demo" / "digits.py"
PLAIN = re.compile(r"[\w-]+")  # names of images that a split file and a glob take as they are


def shared_data() -> Path:
    """Return the folder of the corpus."""
    here = Path(__file__).resolve().parent.parent
    return Path(os.environ.get("SINGLESHOT_SHARED", here.parent / "shared")) / "data"


def find_set(text: str) -> Set:
    """Return a data set of the corpus by its name, or another one as NAME=FOLDER:TRAIN:TEST."""
    if "=" in text:
        return Set.parse(text)
    if text not in NAMES:
        sys.exit(f"no data set {text}; there are {', '.join(NAMES)}, or NAME=FOLDER:TRAIN:TEST")
    folder = shared_data() / text
    if text == "voc2012_100":
        return Set(text, folder / "VOC2012", "", "")  # it has one split, of all
    return Set(text, folder, TRAIN, TEST)


def prepare(each: Set, folder: Path) -> Path:
    """Write a data set as a VOC folder, unless it is there; an interruption leaves none."""
    target = folder / each.name
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as name:
        written = Path(name, "voc")
        if each.name == "digits" and not each.folder.exists():
            draw_digits(written)
        else:
            write(*read(each), written, Path(name))
        written.rename(target)
    return target


def draw_digits(folder: Path) -> None:
    """Write the demo's data set with all ten digits, which has both splits."""
    command = [sys.executable, str(DIGITS), str(folder), "--digits", "0123456789"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def read(each: Set) -> tuple[DataSet, DataSet]:
    """Read the training and the test images; 70 and 30 % of a data set without splits."""
    if each.train:
        train, test = (
            singleshot.open_dataset(each.folder, split=split) for split in (each.train, each.test)
        )
        return train, test
    both = singleshot.open_dataset(each.folder)
    parts = stratified_parts(both, {TRAIN: 0.7, TEST: 0.3}, seed=0)
    train, test = (both.subset(parts[name], description=name) for name in (TRAIN, TEST))
    return train, test


def write(train: DataSet, test: DataSet, folder: Path, links: Path) -> None:
    """Write both splits; `links` is an existing folder for links to images that get a number."""
    joined = join_datasets([train, test])
    paths = [plain_path(Path(path), links, number) for number, path in enumerate(joined.paths)]
    joined = replace(joined, paths=ImagePaths.of(paths))
    ends = {TRAIN: range(len(train)), TEST: range(len(train), len(joined))}
    voc.FORMAT.write(joined, folder, splits=ends)
    for image in sorted((folder / "JPEGImages").iterdir()):
        make_readable(image)


def plain_path(path: Path, links: Path, number: int) -> Path:
    """Return the path of an image, or a numbered link to it where its name is not plain."""
    if PLAIN.fullmatch(path.stem):
        return path
    link = links / f"image-{number:06}{path.suffix}"
    link.symlink_to(path.resolve())
    return link


def make_readable(image: Path) -> None:
    """Replace an image that torchvision cannot read by a PNG file, as far as it can be read."""
    with suppress(OSError), Image.open(image) as opened:
        opened.load()  # OSError where it is cut short
        if opened.format in ("JPEG", "PNG"):
            return
    pixels = singleshot.read_image(image, truncated="keep")
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(image.with_suffix(".png"))
    if image.suffix != ".png":
        image.unlink()


def split_of(folder: Path, number: int | None, seed: int) -> str:
    """Return the split with so many of the training images, writing it; None: all of them.

    The images of a seed are nested: the first 20 of 50 are those of 20. Another seed has others.
    """
    if number is None:
        return TRAIN
    names = names_in(folder, TRAIN)
    chosen = np.random.default_rng(seed).permutation(len(names))[:number]
    split = f"{TRAIN}-{number}-{seed}"
    write_split(folder, split, [names[index] for index in chosen])
    return split


def write_split(folder: Path, split: str, names: Sequence[str]) -> None:
    """Add a split of images to a VOC folder."""
    lines = "".join(f"{name}\n" for name in names)
    (folder / "ImageSets/Main" / f"{split}.txt").write_text(lines, encoding="utf-8")


def split_size(folder: Path, split: str) -> int:
    """Return the number of images in a split."""
    return len(names_in(folder, split))


def names_in(folder: Path, split: str) -> list[str]:
    """Return the names of the images in a split, without suffixes."""
    return (folder / "ImageSets/Main" / f"{split}.txt").read_text(encoding="utf-8").split()
