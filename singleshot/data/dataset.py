"""Data sets: paths of images and the objects in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from singleshot.data.image_files.decoding import read_scaled
from singleshot.data.image_files.paths import ImagePaths, as_slice, take_ragged
from singleshot.errors import DataError, some_of
from singleshot.structures import Sample, Truth

__all__ = ["DataSet", "join_datasets"]

_AT_ONCE = 1 << 16  # images or boxes that are hashed together
_ARRAYS = ("sizes", "image_ids", "content_hashes")


@dataclass(frozen=True)
class DataSet:
    """Annotated images, read one at a time.

    The objects of all images are in a few arrays, end to end: worker processes then share their
    memory, however long the training runs.
    """

    class_names: tuple[str, ...]
    paths: ImagePaths  # the image files; an array of text is converted
    sizes: np.ndarray  # int64 (n, 2): height and width as annotated; 0 where that is unknown
    truths: Truth  # of all images, end to end; in float64, as annotated
    ends: Tensor  # int64: where the truth of each image ends
    image_ids: np.ndarray  # int64: COCO's own, else 0, 1, 2 …
    category_ids: tuple[int, ...]  # of the class names: COCO's own, with gaps, else 1, 2, 3 …
    has_ids: bool  # whether they are its files' own; others are counted and mean nothing elsewhere
    description: str  # "VOC layout, split test of data/bccd"
    notes: tuple[str, ...] = ()  # printed once: "dropped 2 boxes …"
    # Further ids of images that a file lists more than once, to those in `image_ids`.
    other_ids: Mapping[int, int] = field(default_factory=dict)
    content_hashes: np.ndarray | None = None  # int64, of `hash_content`, where they are stored

    def __post_init__(self) -> None:
        if not isinstance(self.paths, ImagePaths):
            object.__setattr__(self, "paths", ImagePaths.of(self.paths))

    def __getstate__(self) -> dict[str, Any]:
        """Hand arrays to other processes as tensors, which they share instead of copying."""
        names = self.__dataclass_fields__
        return {name: getattr(self, name) for name in names} | self._array_tensors

    def __setstate__(self, state: dict[str, Any]) -> None:
        arrays = {
            name: value.numpy()
            for name, value in state.items()
            if name in _ARRAYS and value is not None
        }
        self.__dict__.update(state | arrays)

    @cached_property
    def _array_tensors(self) -> dict[str, Tensor]:
        """The arrays as tensors: the same ones for each process that shares them."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        return {name: torch.from_numpy(one) for name, one in arrays.items() if one is not None}

    @classmethod
    def of(
        cls,
        class_names: Sequence[str],
        images: Iterable[tuple[Path, Truth]],
        *,
        description: str,
        image_ids: Sequence[int] | None = None,
        category_ids: Sequence[int] | None = None,
        notes: Sequence[str] = (),
    ) -> DataSet:
        """Build a data set of images and their truths, in order; sizes are unknown."""
        pairs = list(images)
        truths = [truth for _, truth in pairs]
        has_ids = image_ids is not None and category_ids is not None
        if image_ids is None:
            image_ids = range(len(pairs))
        if category_ids is None:
            category_ids = range(1, len(class_names) + 1)
        return cls(
            class_names=tuple(class_names),
            paths=ImagePaths.of(path for path, _ in pairs),
            sizes=np.zeros((len(pairs), 2), dtype=np.int64),
            truths=concatenate(truths),
            ends=torch.tensor([len(truth) for truth in truths], dtype=torch.int64).cumsum(0),
            image_ids=np.array(image_ids, dtype=np.int64),
            category_ids=tuple(category_ids),
            has_ids=has_ids,
            description=description,
            notes=tuple(notes),
        )

    @property
    def objects_per_image(self) -> Int64[Tensor, " images"]:
        """Number of annotated objects of each image, crowds included."""
        return self.ends.diff(prepend=self.ends.new_zeros(1))

    def __len__(self) -> int:
        return len(self.paths)

    def fingerprint(self) -> str:
        """Hash the names of images, classes and boxes; folders do not matter."""
        if self.content_hashes is not None:
            return self._fingerprint_of_arrays(self.content_hashes)
        digest = hashlib.sha256(f"[{json.dumps(self.class_names)}, ".encode())
        names = ([Path(path).name for path in self.paths[part]] for part in _parts(len(self)))
        boxes = self.truths.boxes
        for ended, values in enumerate(
            (names, (boxes[part].tolist() for part in _parts(len(boxes))))
        ):
            digest.update(b"[")
            for number, some in enumerate(values):
                # Of a million images, a list of all boxes would take gigabytes.
                digest.update(b", "[: 2 * bool(number)] + json.dumps(some)[1:-1].encode())
            digest.update(b"]]" if ended else b"], ")
        return digest.hexdigest()

    def _fingerprint_of_arrays(self, content_hashes: np.ndarray) -> str:
        """Hash the arrays as they are: of a million images in half a second, not in a minute."""
        digest = hashlib.sha256(json.dumps(self.class_names).encode())
        paths = self.paths
        for array in (paths.names, paths.name_ends, self.ends, self.truths.boxes, content_hashes):
            # Its length as well, or two arrays could be divided in another way.
            values = np.ascontiguousarray(array)
            digest.update(len(values).to_bytes(8, "little"))
            digest.update(values.data)
        return digest.hexdigest()

    def __getitem__(self, index: int) -> Sample:
        """Read an image, as far as it goes; DataError, naming the file, when it is broken."""
        return self.read(index)[0]

    def read(self, index: int, shorter_side: int | None = None) -> tuple[Sample, tuple[int, int]]:
        """Read an image, and the (height, width) in its file: boxes are in pixels of that size.

        With a `shorter_side` the image may be smaller (see `read_scaled`).
        """
        path = str(self.paths[index])
        image, size = read_scaled(path, shorter_side, truncated="keep")
        return Sample(image, self.truth(index), path), size

    def truth(self, index: int) -> Truth:
        """Return the annotation of one image, with boxes in float32; the image is not read."""
        truth = self.exact_truth(index)
        return replace(truth, boxes=truth.boxes.float(), areas=truth.areas.float())

    def exact_truth(self, index: int) -> Truth:
        """Return the annotation of one image, with boxes in float64, as they are annotated."""
        start = int(self.ends[index - 1]) if index else 0
        return self.truths[start : int(self.ends[index])]

    def subset(self, indices: Sequence[int] | Tensor, *, description: str) -> DataSet:
        """Select the images with these indices, in this order."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        part = as_slice(chosen)
        if part is not None:
            # Images one behind the other: the memory is shared.
            start = int(self.ends[part.start - 1]) if part.start else 0
            ends = self.ends[part] - start
            truths = self.truths[start : start + (int(ends[-1]) if len(ends) else 0)]
        else:
            columns = (getattr(self.truths, one.name) for one in fields(self.truths))
            taken, (ends, *_) = zip(
                *(take_ragged(column, self.ends, chosen) for column in columns), strict=True
            )
            truths = Truth(*taken)
        picked = chosen.numpy() if part is None else part
        hashes = self.content_hashes
        return replace(
            self,
            paths=self.paths.take(chosen),
            sizes=self.sizes[picked],
            truths=truths,
            ends=ends,
            image_ids=self.image_ids[picked],
            description=description,
            content_hashes=None if hashes is None else hashes[picked],
        )

    def with_classes(self, class_names: Sequence[str]) -> DataSet:
        """Renumber the labels to index these class names, such as a model's.

        Raises:
            DataError: there are objects of another class. A class without objects may be another.
        """
        if tuple(class_names) == self.class_names:
            return self
        number_of = {name: number for number, name in enumerate(class_names)}
        self._refuse_unknown(class_names)
        # An undeclared class gets -1, which no label can pick: it has no objects.
        new_labels = torch.tensor([number_of.get(name, -1) for name in self.class_names])
        return replace(
            self,
            class_names=tuple(class_names),
            truths=replace(self.truths, labels=new_labels.long()[self.truths.labels]),
            category_ids=self._category_ids_of(class_names),
        )

    def _refuse_unknown(self, class_names: Sequence[str]) -> None:
        labels = self.truths.labels
        counts = torch.bincount(labels, minlength=len(self.class_names)).tolist()
        unknown = {
            name: counts[label]
            for label, name in enumerate(self.class_names)
            if counts[label] and name not in class_names
        }
        if unknown:
            found = some_of([f"{name!r} ({count} objects)" for name, count in unknown.items()])
            raise DataError(
                f"{self.description}: has classes that the model does not have: {found}; it has "
                f"{some_of(class_names)}. Train with them, or rename or leave them out: "
                f"--rename-class"
            )

    def _category_ids_of(self, class_names: Sequence[str]) -> tuple[int, ...]:
        """Return the id of each class, or a free one for a class that is new here."""
        known = dict(zip(self.class_names, self.category_ids, strict=True))
        free = max(self.category_ids, default=0) + 1
        new = [name for name in class_names if name not in known]
        known |= {name: free + count for count, name in enumerate(new)}
        return tuple(known[name] for name in class_names)


def join_datasets(datasets: Sequence[DataSet]) -> DataSet:
    """Join data sets by class name, one after the other; names in the order of their occurrence.

    Image ids and category ids are kept unless they contradict each other, else counted anew.
    """
    first, *others = datasets
    if not others:
        return first
    class_names = tuple(dict.fromkeys(name for part in datasets for name in part.class_names))
    parts = [part.with_classes(class_names) for part in datasets]
    image_ids = np.concatenate([part.image_ids for part in parts])
    other_ids = [pair for part in parts for pair in part.other_ids.items()]
    category_ids = _joint_category_ids(datasets, class_names)
    has_ids = all(part.has_ids for part in parts) and category_ids is not None
    all_ids = np.concatenate([image_ids, np.array([one for one, _ in other_ids], dtype=np.int64)])
    if len(np.unique(all_ids)) < len(all_ids):
        image_ids, has_ids = np.arange(len(image_ids)), False
    counts = torch.tensor([0] + [len(part.truths) for part in parts])
    starts = counts.cumsum(0)
    hashes = [part.content_hashes for part in parts if part.content_hashes is not None]
    return DataSet(
        class_names=class_names,
        paths=ImagePaths.join([part.paths for part in parts]),
        sizes=np.concatenate([part.sizes for part in parts]),
        truths=concatenate([part.truths for part in parts]),
        ends=torch.cat([part.ends + start for part, start in zip(parts, starts[:-1], strict=True)]),
        image_ids=image_ids,
        category_ids=category_ids or tuple(range(1, len(class_names) + 1)),
        has_ids=has_ids,
        description=" + ".join(dict.fromkeys(part.description for part in parts)),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        other_ids=dict(other_ids) if has_ids else {},
        content_hashes=np.concatenate(hashes) if len(hashes) == len(parts) else None,
    )


def _joint_category_ids(
    datasets: Sequence[DataSet], class_names: Sequence[str]
) -> tuple[int, ...] | None:
    """Return the category ids if each name has one and each id one name, else None."""
    pairs = {
        pair for part in datasets for pair in zip(part.class_names, part.category_ids, strict=True)
    }
    id_of = dict(pairs)
    if len(pairs) == len(class_names) == len(set(id_of.values())):
        return tuple(id_of[name] for name in class_names)
    return None


def concatenate(truths: Sequence[Truth]) -> Truth:
    """Join truths, one after the other."""
    if not truths:
        return Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    return Truth(
        boxes=torch.cat([truth.boxes for truth in truths]),
        labels=torch.cat([truth.labels for truth in truths]),
        difficult=torch.cat([truth.difficult for truth in truths]),
        crowd=torch.cat([truth.crowd for truth in truths]),
        areas=torch.cat([truth.areas for truth in truths]),
    )


def _parts(number: int) -> Iterator[slice]:
    """Yield slices of a few thousand, together as long as this number."""
    return (slice(start, start + _AT_ONCE) for start in range(0, number, _AT_ONCE))
