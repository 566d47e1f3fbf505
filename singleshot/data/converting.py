"""Convert a data set to another format: annotations written anew, images copied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.data.findings import count_of
from singleshot.data.formats.copying import CopyReport, reporting_copies
from singleshot.data.formats.format import LEFT_OUT
from singleshot.data.opening import find_format, read_dataset, read_with_findings, splits_of
from singleshot.data.reading import ReadingOptions
from singleshot.files import require_empty_folder, require_outside, write_folder_atomically
from singleshot.options import argument, callback, option, takes

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
    from singleshot.data.formats.format import Format, Loss
else:
    DataSet = Any  # importing it would import PyTorch, which --help does without

__all__ = ["Conversion", "ConvertOptions", "convert_dataset", "describe_copies"]

_SAME_AREA = 1e-4  # relative; an annotated area that is the box's own up to rounding
_NAMED = 3  # renamed images in a message

_NOUNS: Mapping[Loss, str] = {
    "difficult": "difficult objects",
    "crowd": "regions (crowd)",
    "narrow": "boxes narrower than a pixel",
    "area": "areas of objects",
    "id": "ids of images",
    "classes": "classes without objects",
    "overlap": "images in several splits",
}


@dataclass(frozen=True)
class ConvertOptions(ReadingOptions):
    """Options of `convert_dataset`."""

    output: str | Path = field(
        metadata=argument("Folder to write, new or empty.", metavar="OUT", cli_type=Path)
    )
    _: KW_ONLY
    to: str = field(
        metadata=option(
            "Format to write: voc, coco, yolo, open-images, labelme, csv, cvat, label-studio, "
            "via, tfrecord, imglab, shards, or a plugin's.",
            metavar="FORMAT",
        )
    )
    split: str | None = field(
        default=None,
        metadata=option("Split to convert; a+b takes two. Default: everything, with all splits."),
    )
    link: bool = field(
        default=False,
        metadata=option("Make hard links of the images instead of copies, where that is possible."),
    )
    on_message: Callable[[str], None] | None = field(
        default=None,
        metadata=callback("Called with each message, such as what the format has no place for."),
    )


@dataclass(frozen=True)
class Conversion:
    """A data set that was written."""

    folder: Path
    format: str
    num_images: int
    num_objects: int
    num_classes: int
    splits: Mapping[str, int]  # images of each
    messages: tuple[str, ...]  # what was changed or left out, one line each

    def __str__(self) -> str:
        splits = ", ".join(f"{name} {count:,}" for name, count in self.splits.items())
        of_splits = f" ({splits})" if splits else ""
        return (
            f"wrote {count_of(self.num_images, 'images')}{of_splits} with "
            f"{count_of(self.num_objects, 'objects')} of {count_of(self.num_classes, 'classes')} "
            f"to {self.folder}, as {self.format}"
        )

    def to_json(self) -> dict[str, Any]:
        """Convert to plain values."""
        return {
            "folder": str(self.folder),
            "format": self.format,
            "images": self.num_images,
            "objects": self.num_objects,
            "classes": self.num_classes,
            "splits": dict(self.splits),
            "messages": list(self.messages),
        }


@takes(ConvertOptions)
def convert_dataset(data: str | Path, options: ConvertOptions) -> Conversion:
    """Write a data set in another format, with copies of its images.

    All splits are kept. The folder appears whole or not at all.

    Args:
        data: folder or file of annotated images.

    Raises:
        DataError: there is no such format or split, or the annotations cannot be used.
        StorageError: the folder is not empty, lies in the data set or cannot be written.
    """
    path, output = Path(data), Path(options.output)
    target = find_format(options.to, "--to")
    require_empty_folder(output)
    require_outside(output, path)
    dataset = read_dataset(path, options.split, options.reading, images="required")
    splits = _indices_of_splits(dataset, path, options.split, options.reading)
    with write_folder_atomically(output) as beside, reporting_copies(link=options.link) as report:
        target.write(dataset, beside, splits=splits or None)
    losses = _losses(dataset, splits)
    left_out = losses["crowd"] if target.without.get("crowd") == LEFT_OUT else 0
    messages = (
        f"read as {dataset.description}",
        *dataset.notes,
        *_describe_losses(losses, target),
        *describe_copies(report),
    )
    if options.on_message is not None:
        for message in messages:
            options.on_message(message)
    return Conversion(
        folder=output,
        format=target.name,
        num_images=len(dataset),
        num_objects=len(dataset.truths) - left_out,
        num_classes=len(dataset.class_names),
        splits={name: len(indices) for name, indices in splits.items()},
        messages=messages,
    )


def _indices_of_splits(
    dataset: DataSet, path: Path, split: str | None, reading: ReadingOptions
) -> dict[str, list[int]]:
    """Map the splits that a data set defines, or those that were chosen, to its images."""
    names = splits_of(path, reading) if split is None else split.split("+")
    index_of = {image: index for index, image in enumerate(dataset.paths.tolist())}
    indices = {}
    for name in names:
        part, _ = read_with_findings(path, name, reading, images="unread")
        # Without those that were left out, as unreadable.
        indices[name] = [index_of[image] for image in part.paths.tolist() if image in index_of]
    return indices


def _losses(dataset: DataSet, splits: Mapping[str, Sequence[int]]) -> dict[Loss, int]:
    """Count what not every format has a place for."""
    from singleshot.boxes.geometry import area  # noqa: PLC0415 (imports PyTorch)

    truths = dataset.truths
    own = area(truths.boxes)
    sides = truths.boxes[:, 2:] - truths.boxes[:, :2]
    shared = Counter(index for indices in splits.values() for index in indices)
    return {
        "difficult": int(truths.difficult.sum()),
        "crowd": int(truths.crowd.sum()),
        "narrow": int((sides < 1).any(dim=1).sum()),
        "area": int(((truths.areas - own).abs() > _SAME_AREA * own).sum()),
        "id": len(dataset) if dataset.has_ids else 0,
        "classes": len(dataset.class_names) - len(set(truths.labels.tolist())),
        "overlap": sum(count > 1 for count in shared.values()),
    }


def _describe_losses(losses: Mapping[Loss, int], target: Format) -> Iterator[str]:
    """Write a line for each kind of thing that a format has no place for."""
    for loss, becomes in target.without.items():
        if losses[loss]:
            yield f"{target.name} has no {_NOUNS[loss]}: {losses[loss]:,} {becomes}"


def describe_copies(report: CopyReport) -> Iterator[str]:
    """Write lines about images that were renamed, or copied in place of linked."""
    if report.renamed:
        pairs = list(report.renamed.items())
        named = ", ".join(f"{old} to {new}" for old, new in pairs[:_NAMED])
        more = f" and {len(pairs) - _NAMED:,} more" if len(pairs) > _NAMED else ""
        yield f"renamed {count_of(len(pairs), 'images')} of equal names: {named}{more}"
    if report.link and report.num_copied:
        yield (
            f"copied {count_of(report.num_copied, 'images')}: hard links between these folders "
            f"are not possible"
        )
