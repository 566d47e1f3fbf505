"""The index of a data set in shards: all annotations, and where in which shard each image is.

A safetensors file: memory-mapped, so that a million images open in a moment and all processes of a
machine share its memory; and free of code. Its tensors are the arrays of `DataSet` and
`ImagePaths`, and a list of images for each split (`split.train`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from safetensors.torch import save
from torch import Tensor

from singleshot.data.dataset import DataSet
from singleshot.data.formats.shards.names import FORMAT_KEY, VERSION, index_content
from singleshot.data.image_files.paths import ImagePaths
from singleshot.errors import DataError
from singleshot.files import read_safetensors_header, write_atomically
from singleshot.structures import Truth

__all__ = ["Shard", "ShardIndex", "load_index", "save_index"]

_SPLIT = "split."
_SHARD_NAME = re.compile(r"[^/\\\0]*[^/\\\0.][^/\\\0]*")
_FORBIDDEN = (0, ord("/"), ord("\\"))  # in the name of an image
_AT_ONCE = 1 << 20  # boxes that are checked together

_TYPES: Mapping[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
# Of each tensor: its type, and the number of columns.
_IMAGES: Mapping[str, tuple[torch.dtype, int]] = {
    "ends": (torch.int64, 0),
    "sizes": (torch.int64, 2),
    "image_ids": (torch.int64, 0),
    "content_hashes": (torch.int64, 0),
    "shard": (torch.int32, 0),
    "name_ends": (torch.int64, 0),
    "offsets": (torch.int64, 0),
    "lengths": (torch.int64, 0),
}
_OBJECTS: Mapping[str, tuple[torch.dtype, int]] = {
    "boxes": (torch.float64, 4),
    "labels": (torch.int64, 0),
    "difficult": (torch.bool, 0),
    "crowd": (torch.bool, 0),
    "areas": (torch.float64, 0),
}


class Shard(NamedTuple):
    """A tar file, beside the index."""

    name: str
    size: int  # bytes
    sha256: str


class ShardIndex(NamedTuple):
    """Images of all splits, and what they are in."""

    dataset: DataSet  # its paths are in the folder of the index
    shards: tuple[Shard, ...]
    splits: Mapping[str, Int64[Tensor, " images"]]

    def of_split(self, split: str) -> DataSet:
        """Select the images of a split; no memory is copied where they lie together."""
        return self.dataset.subset(self.splits[split], description=self.dataset.description)


def save_index(
    file: Path,
    dataset: DataSet,
    shards: Sequence[Shard],
    splits: Mapping[str, Sequence[int]],
    notes: Sequence[str] = (),
) -> None:
    """Write an index; the paths of the data set are members of the shards.

    `notes` are printed when it is read.
    """
    number_of = {shard.name: number for number, shard in enumerate(shards)}
    paths, truths = dataset.paths, dataset.truths
    numbers = [number_of[Path(folder).name] for folder in paths.folders]
    tensors: dict[str, Tensor] = {
        "ends": dataset.ends,
        "sizes": torch.from_numpy(dataset.sizes),
        "image_ids": torch.from_numpy(dataset.image_ids),
        "content_hashes": torch.from_numpy(dataset.content_hashes),  # of the shards
        "shard": torch.tensor(numbers, dtype=torch.int32)[paths.folder_of.long()],
        "names": paths.names,
        "name_ends": paths.name_ends,
        "offsets": paths.offsets,
        "lengths": paths.lengths,
        **{name: getattr(truths, name) for name in _OBJECTS},
        **{_SPLIT + name: torch.tensor(indices) for name, indices in splits.items()},
    }
    types = {name: kind for name, (kind, _) in {**_IMAGES, **_OBJECTS}.items()}
    types["names"] = torch.uint8
    content = {
        "version": VERSION,
        "class_names": dataset.class_names,
        "category_ids": dataset.category_ids,
        "has_ids": dataset.has_ids,
        "other_ids": list(dataset.other_ids.items()),
        "shards": shards,
        "splits": list(splits),
        "notes": list(notes),
    }
    encoded = save(
        {
            name: tensor.to(types.get(name, torch.int64)).contiguous().clone()
            for name, tensor in tensors.items()
        },
        metadata={FORMAT_KEY: json.dumps(content)},  # one key: their order is random
    )
    # safetensors' own `save_file` makes files that no other user can read.
    with write_atomically(file) as beside:
        beside.write_bytes(encoded)


def load_index(file: Path, *, description: str) -> ShardIndex:
    """Map an index into memory, and check it.

    Raises:
        DataError: it is damaged, or was written by another version.
    """
    content = index_content(file)
    try:
        tensors = _map_tensors(file)
        return _index_of(file.parent, content, tensors, description)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise DataError(
            f"{file}: damaged ({error}); copy it again, or convert the data set again"
        ) from error


def _map_tensors(file: Path) -> dict[str, Tensor]:
    """Map each tensor of a safetensors file into memory.

    safetensors maps the file as one storage, which processes that are spawned cannot share: PyTorch
    hands its descriptor over for each tensor, and Python refuses one that comes twice.
    """
    header = read_safetensors_header(file)
    header.pop("__metadata__", None)
    with file.open("rb") as opened:
        begin = 8 + int.from_bytes(opened.read(8), "little")
    tensors = {}
    for name, entry in header.items():
        kind, shape = _TYPES[entry["dtype"]], tuple(entry["shape"])
        start, end = entry["data_offsets"]
        if not 0 <= start <= end or end - start != np.prod(shape, dtype=np.int64) * kind.itemsize:
            raise ValueError(f"{name} has another length")
        if start == end:
            tensors[name] = torch.from_numpy(np.zeros(shape, kind))
            continue
        # "c": what a process writes, it would write for itself.
        mapped = np.memmap(file, kind, "c", begin + start, shape)
        if not mapped.flags.aligned:
            raise ValueError(f"{name} is not aligned")
        tensors[name] = torch.from_numpy(mapped)
    return tensors


def _index_of(
    folder: Path, content: Mapping[str, Any], tensors: Mapping[str, Tensor], description: str
) -> ShardIndex:
    """Build the index of its parts; KeyError, TypeError or ValueError where they do not fit."""
    shards = tuple(Shard(str(name), int(size), str(sha)) for name, size, sha in content["shards"])
    _check(content, shards, tensors)
    splits = {str(name): tensors[_SPLIT + name] for name in content["splits"]}
    paths = ImagePaths(
        tuple(str(folder / shard.name) for shard in shards),
        tensors["shard"],
        tensors["names"],
        tensors["name_ends"],
        tensors["offsets"],
        tensors["lengths"],
    )
    dataset = DataSet(
        class_names=tuple(map(str, content["class_names"])),
        paths=paths,
        sizes=tensors["sizes"].numpy(),
        truths=Truth(**{name: tensors[name] for name in _OBJECTS}),
        ends=tensors["ends"],
        image_ids=tensors["image_ids"].numpy(),
        category_ids=tuple(map(int, content["category_ids"])),
        has_ids=bool(content["has_ids"]),
        description=description,
        notes=tuple(map(str, content.get("notes", ()))),
        other_ids={int(key): int(one) for key, one in content["other_ids"]},
        content_hashes=tensors["content_hashes"].numpy(),
    )
    return ShardIndex(dataset, shards, splits)


def _check(
    content: Mapping[str, Any], shards: Sequence[Shard], tensors: Mapping[str, Tensor]
) -> None:
    """Raise ValueError where parts of an index contradict each other: nothing is read astray."""
    num_images, num_objects = len(tensors["ends"]), len(tensors["labels"])
    for length, table in ((num_images, _IMAGES), (num_objects, _OBJECTS)):
        for name, (kind, columns) in table.items():
            shape = (length, columns) if columns else (length,)
            if tensors[name].dtype != kind or tuple(tensors[name].shape) != shape:
                raise ValueError(f"{name} is of another type or length")
    _check_content(content, shards)
    if tensors["names"].dtype != torch.uint8:
        raise ValueError("names are of another type")
    if any(bool((tensors["names"] == one).any()) for one in _FORBIDDEN):
        raise ValueError("names of images with folders")
    _check_ends("ends", tensors["ends"], num_objects)
    _check_ends("name_ends", tensors["name_ends"], len(tensors["names"]))
    _check_range("labels", tensors["labels"], len(content["class_names"]))
    _check_range("shard", tensors["shard"], len(shards))
    for name in content["splits"]:
        if tensors[_SPLIT + name].dtype != torch.int64:
            raise ValueError(f"split {name} is of another type")
        _check_range(f"split {name}", tensors[_SPLIT + name], num_images)
    _check_places(shards, tensors)
    for start in range(0, num_objects, _AT_ONCE):
        boxes = tensors["boxes"][start : start + _AT_ONCE]
        if not bool(torch.isfinite(boxes).all() & (boxes[:, :2] < boxes[:, 2:]).all()):
            raise ValueError("boxes without area")


def _check_content(content: Mapping[str, Any], shards: Sequence[Shard]) -> None:
    """Raise ValueError for a shard outside the folder, or classes that contradict their ids."""
    names = [shard.name for shard in shards]
    if len(set(names)) < len(names) or not all(map(_SHARD_NAME.fullmatch, names)):
        raise ValueError("names of shards")
    if len(content["category_ids"]) != len(content["class_names"]):
        raise ValueError("category ids")


def _check_places(shards: Sequence[Shard], tensors: Mapping[str, Tensor]) -> None:
    """Raise ValueError for an image that is not within its shard."""
    sizes = torch.tensor([shard.size for shard in shards], dtype=torch.int64)
    limits = sizes[tensors["shard"].long()]
    starts, lengths = tensors["offsets"], tensors["lengths"]
    if bool(
        ((starts < 0) | (lengths < 0) | (lengths > limits) | (starts > limits - lengths)).any()
    ):
        raise ValueError("places outside the shards")


def _check_ends(name: str, ends: Tensor, length: int) -> None:
    """Raise ValueError unless ends rise, up to the length of what they divide."""
    last = int(ends[-1]) if len(ends) else 0
    if last != length or bool((ends.diff(prepend=ends.new_zeros(1)) < 0).any()):
        raise ValueError(f"{name} do not rise to {length}")


def _check_range(name: str, values: Tensor, length: int) -> None:
    """Raise ValueError unless all values are indices into something of this length."""
    if len(values) and not 0 <= int(values.min()) <= int(values.max()) < length:
        raise ValueError(f"{name} out of range")
