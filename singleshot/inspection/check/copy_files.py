"""Files of a fixed copy: annotations, images, the log."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import NamedTuple

from PIL import Image

from singleshot.data.dataset import DataSet
from singleshot.data.formats.copying import reporting_copies
from singleshot.data.formats.format import Format
from singleshot.data.image_files.decoding import read_image
from singleshot.data.image_files.paths import ImagePaths
from singleshot.files import write_folder_atomically

__all__ = ["LOG", "Change", "write_copy"]

LOG = "fixes.csv"
JPEG_QUALITY = 95  # of images that are saved anew


class Change(NamedTuple):
    """A line of the log."""

    kind: str  # of the finding: key of findings.KINDS; "renamed" of images of the same name
    image: str
    place: str
    detail: str
    done: str


def write_copy(
    kind: Format,
    dataset: DataSet,
    folder: Path,
    *,
    splits: Mapping[str, Sequence[int]],
    cut: Collection[str],
    log: Sequence[Change],
) -> None:
    """Write a data set and its log into a new folder; whole or not at all.

    Args:
        kind: the format to write.
        dataset: what to write.
        folder: new, or empty.
        splits: indices of images by the name of their split.
        cut: paths of images to be saved anew, because their files are cut short.
        log: changes, the columns of the log.

    Raises:
        DataError: no file can be named after a split.
        StorageError: it cannot be written; nothing is left of it.
    """
    with write_folder_atomically(folder) as beside:
        # Beside as well: the disk of temporary files may be small.
        with TemporaryDirectory(dir=beside.parent, prefix=".", suffix=".part") as saved_anew:
            dataset = _with_whole_files(dataset, set(cut), Path(saved_anew))
            with reporting_copies() as report:
                kind.write(dataset, beside, splits=splits or None)
        renamed = [
            Change("renamed", old, PurePath(old).name, "another has this name", f"saved as {new}")
            for old, new in report.renamed.items()
        ]
        _write_log([*log, *renamed], beside / LOG)


def _with_whole_files(dataset: DataSet, cut: Collection[str], folder: Path) -> DataSet:
    """Save images anew whose files are cut short."""
    paths = []
    for number, path in enumerate(dataset.paths):
        if path in cut:
            own = folder / str(number)  # several may have the same name
            own.mkdir()
            pixels = read_image(Path(path), truncated="keep").permute(1, 2, 0).contiguous().numpy()
            path = str(own / f"{PurePath(path).stem}.jpg")  # noqa: PLW2901
            Image.fromarray(pixels).save(path, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        paths.append(path)
    return replace(dataset, paths=ImagePaths.of(paths), content_hashes=None)


def _write_log(log: Sequence[Change], file: Path) -> None:
    """Write a table of the changes."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(Change._fields)
        table.writerows(log)
