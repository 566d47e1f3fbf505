"""Opening a data set: detect its format, read its images or those of a split."""

from __future__ import annotations

import gc
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.data.findings import KINDS, Finding, Findings, count_of
from singleshot.data.formats import (
    coco,
    csv_table,
    cvat,
    imglab,
    label_studio,
    labelme,
    open_images,
    shards,
    tfrecord,
    via,
    voc,
    yolo,
)
from singleshot.data.formats.format import Format
from singleshot.data.formats.shards.remote import open_url
from singleshot.data.formats.split_names import choose_split
from singleshot.data.image_files.outside_links import refuse_outside_links
from singleshot.data.image_files.suffixes import image_suffixes
from singleshot.data.layouts import Layout, find_layouts
from singleshot.data.reading import AS_IT_IS, ReadingOptions, parse_pairs
from singleshot.data.remote.fetching import url_of
from singleshot.errors import DataError, some_of
from singleshot.files import require_existing
from singleshot.options import option, takes
from singleshot.plugins import with_registered

if TYPE_CHECKING:
    from singleshot.data.assembly import ImageUse
    from singleshot.data.dataset import DataSet
    from singleshot.data.image_files.headers import ImageHeader
else:
    DataSet = ImageHeader = ImageUse = (
        Any  # importing it would import PyTorch, which recognising does without
    )

__all__ = [
    "FORMATS",
    "find_format",
    "format_of",
    "formats",
    "open_dataset",
    "read_dataset",
    "read_with_findings",
    "require_splits",
    "splits_of",
]

# The first that recognises a data set reads it.
FORMATS = (
    voc.FORMAT,
    coco.FORMAT,
    imglab.FORMAT,
    cvat.FORMAT,
    label_studio.FORMAT,
    via.FORMAT,
    tfrecord.FORMAT,
    yolo.FORMAT,
    open_images.FORMAT,
    csv_table.FORMAT,
    labelme.FORMAT,
    shards.FORMAT,
)

MOST_ENTRIES = 8  # of a folder, in an error


@dataclass(frozen=True)
class OpeningOptions(ReadingOptions):
    """Options of `open_dataset`."""

    split: str | None = field(
        default=None, metadata=option("Split to read; a+b joins two. Default: everything.")
    )


def formats() -> tuple[Format, ...]:
    """List all formats in the order in which they are tried; those of plugins come last."""
    return with_registered(FORMATS, Format)


def find_format(name: str, flag: str) -> Format:
    """Find a format by its name: `open-images` is Open Images; `flag` is what named it."""
    for one in formats():
        if _plain(one.name) == _plain(name):
            return one
    names = ", ".join(one.name for one in formats())
    raise DataError(f"{flag} {name}: no such format; there are {names}")


@takes(OpeningOptions)
def open_dataset(path: str | Path, options: OpeningOptions) -> DataSet:
    """Read a data set of any format: the images of a split, or all.

    Raises:
        DataError: the path does not exist or has an unknown layout, the split is unknown or empty,
            or annotations cannot be used: all of them are listed.
    """
    return read_dataset(Path(path), options.split, options.reading)


def read_dataset(
    path: Path,
    split: str | None = None,
    reading: ReadingOptions = AS_IT_IS,
    *,
    images: ImageUse = "optional",
) -> DataSet:
    """Read a data set as `open_dataset` does; see `assemble` for whether images must be there."""
    dataset, findings = read_with_findings(path, split, reading, images=images)
    if reading.on_error != "keep":
        cut = [one.image for one in findings if one.kind == "truncated-image"]
        dataset, findings = _without(dataset, cut), _with_cut_refused(findings)
    if reading.on_error == "skip":
        findings = _with_skipped(findings)
    else:
        kinds = ("unreadable-image",) if reading.on_error == "stop" else ()
        findings.raise_errors(dataset.description, kinds)
    if not len(dataset):
        reasons = "".join(f"\n  {line}" for line in findings.lines(str(path)))
        raise DataError(f"{dataset.description}: has no images; choose another split{reasons}")
    return replace(dataset, notes=(*dataset.notes, *findings.lines(str(path))))


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep Python from looking for garbage among millions of entries, a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_without_collection()
def read_with_findings(
    path: Path,
    split: str | None = None,
    reading: ReadingOptions = AS_IT_IS,
    *,
    images: ImageUse = "optional",
    headers: dict[str, ImageHeader] | None = None,
) -> tuple[DataSet, Findings]:
    """Read what can be used of a data set, with all errors and changes.

    The headers of the images are added to `headers`, by their paths.

    Raises:
        DataError: there is no data set, or no such split.
    """
    from singleshot.data.assembly import assemble  # noqa: PLC0415 (imports PyTorch)
    from singleshot.data.dataset import DataSet, join_datasets  # noqa: PLC0415
    from singleshot.data.renaming import rename_classes  # noqa: PLC0415

    new_names = parse_pairs("--rename-class", reading.rename_class)
    layout, findings = _layout_of(path, reading)
    parts: list[DataSet] = []
    names: Sequence[str | None] = [None] if split is None else split.split("+")
    for name in names:
        of_split = "" if name is None else f", split {layout.name_of(name)}"
        description = f"{layout.format.name} layout{of_split} of {path}"
        for read in layout.read(name):
            if isinstance(read, DataSet):
                parts.append(read)
                continue
            assembled = assemble(
                read, reading, description=description, images=images, headers=headers
            )
            parts.append(assembled.dataset)
            findings.extend(assembled.findings)
    dataset = join_datasets(_without_repetition(parts, findings))
    if new_names:
        dataset = rename_classes(dataset, new_names, findings)
    return dataset, _without_equal(findings)


def format_of(path: Path, reading: ReadingOptions = AS_IT_IS) -> Format:
    """Detect the format of a data set; raises DataError as `open_dataset` does."""
    return _layout_of(path, reading)[0].format


def splits_of(path: Path, reading: ReadingOptions = AS_IT_IS) -> tuple[str, ...]:
    """List the splits that a data set defines; raises DataError as `open_dataset` does."""
    return _layout_of(path, reading)[0].splits


def require_splits(
    path: Path, splits: Sequence[str | None], reading: ReadingOptions = AS_IT_IS
) -> None:
    """Raise DataError for a missing path, an unknown layout or an unknown split; reads no image.

    Of `splits`, None is any, and `a+b` joins two.
    """
    layout, _ = _layout_of(path, reading)
    for split in splits:
        for name in () if split is None else split.split("+"):
            if name not in layout.derived_splits:
                choose_split(name, layout.splits, path)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def _layout_of(path: Path, reading: ReadingOptions) -> tuple[Layout, Findings]:
    """Detect the format and layout; of several, the first is taken and the others are noted."""
    findings = Findings()
    if (url := url_of(path)) is not None:
        path, note = open_url(url)
        findings.add("reader", note)
    require_existing(path)
    if reading.images is not None and not Path(reading.images).is_dir():
        raise DataError(f"--images {reading.images}: there is no such folder")
    if path.is_dir() and not reading.follow_links:
        refuse_outside_links(path)
    known = formats()
    if reading.data_format is not None:
        known = (find_format(reading.data_format, "--format"),)
    layouts = find_layouts(path, known)
    if not layouts:
        raise _unknown_layout(path, known)
    first, *others = layouts
    if others:
        other = others[0].format.name
        findings.add(
            "reader",
            f"{path}: read as {first.format.name}; --format {other} reads its {other} annotations",
        )
    return first, findings


def _unknown_layout(path: Path, known: Sequence[Format]) -> DataError:
    layouts = "\n              ".join(candidate.layout for candidate in known)
    return DataError(
        f"{path}: unknown layout of a data set\n"
        f"  looked for: {layouts}\n"
        f"  found:      {_contents(path)}\n"
        f"  do:         name the folder or file that has one of these layouts, or convert it"
    )


def _contents(path: Path) -> str:
    """Describe a folder or file for the error about an unknown layout; images come last."""
    if path.is_file():
        return "a file that is none of these"
    entries = sorted(path.iterdir(), key=lambda one: (_is_image(one), one.name))
    names = [entry.name + "/" * entry.is_dir() for entry in entries]
    more = f" and {len(names) - MOST_ENTRIES} more" if len(names) > MOST_ENTRIES else ""
    return ", ".join(names[:MOST_ENTRIES]) + more if names else "an empty folder"


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in image_suffixes()


def _with_cut_refused(findings: Findings) -> Findings:
    """Replace images that are used as far as they go by errors."""
    return Findings(
        [
            replace(one, kind="file", detail="the image is cut short")
            if one.kind == "truncated-image"
            else one
            for one in findings
        ]
    )


def _with_skipped(findings: Findings) -> Findings:
    """Replace errors by a count of what is left out because of them."""
    return Findings(
        [
            Finding("skipped", str(one)) if KINDS[one.kind].severity == "error" else one
            for one in findings
        ]
    )


def _without(dataset: DataSet, images: Collection[str]) -> DataSet:
    """Leave out images by their paths."""
    import numpy as np  # noqa: PLC0415 (`require_splits` does without)

    left_out = dataset.paths.isin(images) if images else np.zeros(0, bool)
    if not left_out.any():
        return dataset
    kept = np.flatnonzero(~left_out).tolist()
    return dataset.subset(kept, description=dataset.description)


def _without_equal(findings: Findings) -> Findings:
    """Drop what two joined splits have found twice."""
    return Findings(list(dict.fromkeys(findings)))


def _without_repetition(parts: Sequence[DataSet], findings: Findings) -> list[DataSet]:
    """Drop the second copy of an image that two files or joined splits share.

    Before they are joined: two images of one id would make the ids of all images meaningless. Other
    objects in the second copy are noted.
    """
    first, *others = parts
    kept = [first]
    known: set[str] = set()
    for part in others:
        known.update(kept[-1].paths)
        if lost := _with_other_objects(part, kept, known):
            findings.add(
                "reader",
                f"other objects of {count_of(len(lost), 'images')} ({some_of(lost)}) in a second "
                f"file or split are not read: write all objects of an image into one file",
            )
        kept.append(_without(part, known))
    return kept


def _with_other_objects(part: DataSet, kept: Sequence[DataSet], known: set[str]) -> list[str]:
    """List the images of a part that are in those that are kept, too, with other objects there."""
    repeated = {path: index for index, path in enumerate(part.paths) if path in known}
    lost: list[str] = []
    for earlier in kept if repeated else ():
        shared = {path: index for index, path in enumerate(earlier.paths) if path in repeated}
        ours = earlier.subset([*shared.values()], description="")
        theirs = part.subset([repeated[path] for path in shared], description="")
        if not _same_objects(ours, theirs):
            lost += [
                path
                for index, path in enumerate(shared)
                if _objects_of(ours, index) != _objects_of(theirs, index)
            ]
    return lost


def _same_objects(ours: DataSet, theirs: DataSet) -> bool:
    """Return whether all images of two data sets have the same objects, in the same order."""
    import torch  # noqa: PLC0415 (`require_splits` does without)

    arrays = [
        (one.ends, one.truths.boxes, one.truths.labels, one.truths.crowd) for one in (ours, theirs)
    ]
    same = all(torch.equal(*pair) for pair in zip(*arrays, strict=True))
    return same and ours.class_names == theirs.class_names


def _objects_of(dataset: DataSet, index: int) -> list[tuple[str, list[float], bool]]:
    """List the objects of an image, in an order of their own."""
    truth = dataset.exact_truth(index)
    names = [dataset.class_names[label] for label in truth.labels.tolist()]
    return sorted(zip(names, truth.boxes.tolist(), truth.crowd.tolist(), strict=True))
