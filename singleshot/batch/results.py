"""Rows of all workers as one COCO results file, continued where an interruption ended it.

Rows are kept in parts of some images each, JSON lines in a folder beside the file:

    results.json                 all detections, as `singleshot score` and pycocotools read them
    results.json.errors.json     images that could not be read, if there are any
    results.json.parts/          000000.jsonl, 000001.jsonl, …: a line for each image

Every file appears whole or not at all. After an interruption, `finished_images` names the images in
the parts, so that no worker sees them again; the rest is added as further parts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from singleshot.errors import DataError, SingleshotError, StorageError
from singleshot.files import (
    remove_partial_files,
    require_writable,
    require_writable_folder,
    write_atomically,
)

__all__ = ["BatchSummary", "finished_images", "write_coco_results"]

Image = str | int  # name or number
Row = Any  # a mapping; others are refused with the remedy

_LOCK = "lock"


@dataclass(frozen=True)
class BatchSummary:
    """Counts of a COCO results file that was written."""

    path: Path
    num_images: int  # also those that could not be read
    num_detections: int
    num_broken: int  # images that could not be read, listed in `errors`
    num_repeated: int  # rows of images that were finished before, which were left out
    errors: Path | None  # None if all images could be read


@dataclass
class _Parts:
    """The folder of parts: which images they hold, and from which detector."""

    folder: Path
    finished: set[Image] = field(default_factory=set)
    detectors: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, path: Path) -> _Parts:
        """Read the names of the images in the parts of a results file."""
        parts = cls(path.with_name(f"{path.name}.parts"))
        for row in parts.rows():
            parts.finished.add(row["image"])
            parts.detectors.add(row["detector"])
        return parts

    @property
    def files(self) -> list[Path]:
        """The parts, in the order in which they were written."""
        files = self.folder.glob("[0-9]*.jsonl")
        return sorted(files, key=lambda file: int(file.stem))  # after 999999 they are longer

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read the row of each image."""
        for file in self.files:
            with file.open(encoding="utf-8") as lines:
                yield from map(json.loads, lines)

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Write another part."""
        files = self.files
        number = int(files[-1].stem) + 1 if files else 0
        with write_atomically(self.folder / f"{number:06d}.jsonl") as beside:
            beside.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def require_detector(self, detector: str) -> None:
        """Raise StorageError where images of another detector are among the parts."""
        self.detectors.add(detector)
        if len(self.detectors) > 1:
            raise StorageError(
                f"{self.folder}: detections of two detectors or score thresholds "
                f"({', '.join(sorted(self.detectors))}); choose another path for the second, or "
                "delete this folder to begin again"
            )


def finished_images(path: str | Path) -> frozenset[Image]:
    """Read which images are in the parts of a results file; none where it was not begun.

    Raises:
        StorageError: a part is damaged.
    """
    return frozenset(_read_parts(Path(path)).finished)


def write_coco_results(
    rows: Iterable[Row],
    path: str | Path,
    *,
    images_per_part: int = 1000,
    category_ids: Mapping[str, int] | None = None,
) -> BatchSummary:
    """Write the rows of a `Predictor` as COCO results, which `singleshot score` reads.

    Rows may come in any order. Each `images_per_part` of them are kept as a part, so that at most
    as many images are detected in again after an interruption; rows of images that are in a part
    already are left out. When there are no more rows, all parts together become the file.

    Args:
        rows: `dataset.iter_rows()` of Ray, or `row.asDict()` of each row of Spark's
            `frame.toLocalIterator()`.
        path: the JSON file to write.
        images_per_part: images in a part.
        category_ids: `category_id` of each class name, for pycocotools; left out, the number of
            the class in the detector, from 1. `singleshot score` goes by the names.

    Raises:
        DataError: two images have the same id, or a row is not that of a `Predictor`.
        StorageError: a file cannot be written, or another process writes it, or parts are of
            another detector.
    """
    path = Path(path)
    if images_per_part < 1:
        raise SingleshotError(f"images_per_part={images_per_part}: expected 1 or more")
    require_writable(path)
    folder = path.with_name(f"{path.name}.parts")
    require_writable_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / _LOCK, timeout=0):
            remove_partial_files(folder)
            parts = _read_parts(path)
            num_repeated = _add_parts(parts, rows, images_per_part)
            return _join(parts, path, num_repeated, category_ids)
    except Timeout as error:
        raise StorageError(
            f"{folder}: another process writes these results; wait for its end, or choose another "
            "path"
        ) from error


def _read_parts(path: Path) -> _Parts:
    """Read the parts of a results file; StorageError where one is damaged."""
    try:
        return _Parts.of(path)
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path}.parts: a part is damaged ({error}); delete this folder to begin again"
        ) from error


def _add_parts(parts: _Parts, rows: Iterable[Row], images_per_part: int) -> int:
    """Write rows as parts; returns how many were left out because they are in a part already."""
    before, num_repeated = frozenset(parts.finished), 0
    waiting: list[dict[str, Any]] = []
    for given in rows:
        row = _plain(given)
        image = row["image"]
        if not isinstance(image, str | int):  # a file of results has one of these
            raise DataError(
                f"image {image!r}: an id is a name or a whole number; give each image one of its "
                f"own, such as its path"
            )
        if image in before:
            num_repeated += 1
            continue
        if image in parts.finished:
            raise DataError(
                f"image {image!r} occurs twice; give each image an id of its own, such as its path "
                "with the folders"
            )
        parts.require_detector(row["detector"])
        parts.finished.add(image)
        waiting.append(row)
        if len(waiting) == images_per_part:
            parts.write(waiting)
            waiting = []
    if waiting:
        parts.write(waiting)
    return num_repeated


def _plain(row: Row) -> dict[str, Any]:
    """Turn a row, whose cells may be NumPy's, into what JSON has."""
    try:
        image = row["image"]
        return {
            "image": image.item() if isinstance(image, np.generic) else image,
            "width": int(row["width"]),
            "height": int(row["height"]),
            "boxes": [[float(corner) for corner in box] for box in row["boxes"]],
            "scores": [float(score) for score in row["scores"]],
            "labels": [int(label) for label in row["labels"]],
            "names": [str(name) for name in row["names"]],
            "error": row["error"],
            "detector": row["detector"],
        }
    except (KeyError, TypeError) as error:
        keys = ", ".join(map(str, row)) if isinstance(row, Mapping) else type(row).__name__
        raise DataError(
            f"a row of {keys} is not that of a Predictor ({error}); of Spark, give row.asDict()"
        ) from error


def _join(
    parts: _Parts, path: Path, num_repeated: int, category_ids: Mapping[str, int] | None
) -> BatchSummary:
    """Write all parts as one COCO results file, and the images that could not be read."""
    counts: Counter[str] = Counter()
    broken: list[dict[str, Any]] = []
    with write_atomically(path) as beside, beside.open("w", encoding="utf-8") as file:
        file.write("[")
        for row in parts.rows():
            counts["images"] += 1
            if row["error"] is not None:
                broken.append({"image": row["image"], "error": row["error"]})
            for entry in _entries(row, category_ids):
                file.write(",\n" * bool(counts["detections"]) + json.dumps(entry))
                counts["detections"] += 1
        file.write("]\n")
    errors = path.with_name(f"{path.name}.errors.json")
    if broken:
        with write_atomically(errors) as beside:
            beside.write_text(json.dumps(broken, indent=1) + "\n", encoding="utf-8")
    else:
        errors.unlink(missing_ok=True)
    return BatchSummary(
        path=path,
        num_images=counts["images"],
        num_detections=counts["detections"],
        num_broken=len(broken),
        num_repeated=num_repeated,
        errors=errors if broken else None,
    )


def _entries(row: Row, category_ids: Mapping[str, int] | None) -> Iterator[dict[str, Any]]:
    """Make the COCO entry of each detection in an image: its box as left, top, width, height."""
    columns = (row["boxes"], row["scores"], row["labels"], row["names"])
    for (x1, y1, x2, y2), score, label, name in zip(*columns, strict=True):
        yield {
            "image_id": row["image"],
            "category_id": label + 1 if category_ids is None else _id_of(name, category_ids),
            "category_name": name,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": score,
        }


def _id_of(name: str, category_ids: Mapping[str, int]) -> int:
    """Look up the id of a class; DataError where there is none."""
    if name not in category_ids:
        raise DataError(
            f"category_ids: no id of {name!r}; there are those of {', '.join(category_ids)}"
        )
    return category_ids[name]
