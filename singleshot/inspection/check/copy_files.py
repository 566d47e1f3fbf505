"""Files of a fixed copy: images under names of their own, annotations, the log."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath
from typing import NamedTuple

from PIL import Image

from singleshot.data.dataset import DataSet
from singleshot.data.formats.format import Format
from singleshot.data.image_paths import ImagePaths
from singleshot.data.images import read_image
from singleshot.errors import StorageError

__all__ = ["LOG", "Change", "write_copy"]

LOG = "fixes.csv"
JPEG_QUALITY = 95  # of images that are saved anew


class Change(NamedTuple):
    """A line of the log."""

    kind: str  # of the finding: key of findings.KINDS
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
        StorageError: it cannot be written; nothing is left of it.
    """
    parent = folder.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=parent))
    except OSError as error:
        raise StorageError(f"{folder}: not written: {error.strerror or error}") from error
    try:
        part = work / "copy"
        part.mkdir()
        dataset = _with_own_names(dataset, set(cut), work / "images")
        kind.write(dataset, part, splits=splits or None)
        _write_log(log, part / LOG)
        if folder.exists():
            folder.rmdir()  # it is empty
        part.replace(folder)
    except OSError as error:
        raise StorageError(
            f"{folder}: not written: {error.strerror or error}; the original is untouched"
        ) from error
    finally:
        with suppress(OSError):
            shutil.rmtree(work)


def _with_own_names(dataset: DataSet, cut: Collection[str], folder: Path) -> DataSet:
    """Give each image a name of its own, and save anew those that are cut short.

    Formats write all images into one folder; those of sub-folders may have the same name there.
    """
    folder.mkdir()
    taken: set[str] = set()
    paths = []
    for path in map(Path, dataset.paths.tolist()):
        name = _free_name(path, taken)
        taken.add(PurePath(name).stem)
        if str(path) in cut:
            name = f"{PurePath(name).stem}.jpg"
            pixels = read_image(path, truncated="keep").permute(1, 2, 0).contiguous().numpy()
            Image.fromarray(pixels).save(folder / name, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        elif name != path.name:
            shutil.copyfile(path, folder / name)
        else:
            paths.append(str(path))
            continue
        paths.append(str(folder / name))
    return replace(dataset, paths=ImagePaths.of(paths))


def _free_name(path: Path, taken: Collection[str]) -> str:
    """Put the name of its folder before that of an image whose name is taken, then a number."""
    if path.stem not in taken:
        return path.name
    stem, number = f"{path.parent.name}-{path.stem}", 2
    while stem in taken:
        stem, number = f"{path.parent.name}-{path.stem}-{number}", number + 1
    return f"{stem}{path.suffix}"


def _write_log(log: Sequence[Change], file: Path) -> None:
    """Write a table of the changes."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(Change._fields)
        table.writerows(log)
