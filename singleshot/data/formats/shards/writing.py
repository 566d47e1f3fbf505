"""Writing a data set as shards: the samples in order, and the index of where they are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from singleshot.data.dataset import DataSet
from singleshot.data.findings import Findings
from singleshot.data.formats.annotations import with_rest
from singleshot.data.formats.copying import unique_names
from singleshot.data.formats.shards.index import save_index
from singleshot.data.formats.shards.names import INDEX
from singleshot.data.formats.shards.writer import ShardWriter
from singleshot.data.image_files.archives import Member, member_path
from singleshot.data.image_files.content_hash import hash_content
from singleshot.data.image_files.decoding import open_image, read_upright
from singleshot.data.image_files.headers import read_header
from singleshot.data.image_files.paths import ImagePaths
from singleshot.data.image_files.suffixes import suffix_of

__all__ = ["SHARD_BYTES", "write_shards"]

SHARD_BYTES = 256_000_000
SEED = 0  # of the order in which images are written
_NO_NAME = re.compile(r"[\0-\x1f\\]")  # what no name in an index has


class _Place(NamedTuple):
    """Place of an image in a shard, and what the index states of it."""

    member: Member
    size: tuple[int, int]  # (height, width)
    content_hash: int


def write_shards(
    dataset: DataSet,
    path: Path,
    *,
    splits: Mapping[str, Sequence[int]] | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write the shards of each split and the index; images in no split: `with_rest`.

    An image in several splits is written once, with the smallest of them.

    Raises:
        DataError: an image cannot be read.
        StorageError: full disk and the like.
    """
    names = [_NO_NAME.sub("_", name) for name in unique_names(dataset, by_stem=False)]
    path.mkdir(parents=True, exist_ok=True)
    complete = with_rest(splits, len(dataset))
    written: dict[int, _Place] = {}
    cut = Findings()
    with ShardWriter(path, shard_bytes) as writer:
        # The smallest first: with train, val and trainval, the shards are of train and val.
        for split, indices in sorted(complete.items(), key=lambda one: len(one[1])):
            writer.begin(split)
            new = [index for index in indices if index not in written]
            for index in _order(new, dataset, shard_bytes):
                written[index] = _write_sample(writer, len(written), dataset, index, names[index])
                if read_header(Path(dataset.paths[index])).state == "truncated":
                    cut.add("truncated-image", names[index])
    place = {index: number for number, index in enumerate(written)}
    save_index(
        path / INDEX,
        _as_members(dataset, written, names),
        writer.shards,
        {name: sorted(place[index] for index in indices) for name, indices in complete.items()},
        notes=cut.lines(),
    )


def _order(indices: Sequence[int], dataset: DataSet, shard_bytes: int) -> Sequence[int]:
    """Shuffle what takes more than one shard; one shard keeps the order of the data set."""
    total = 0
    for index in indices:
        path = Path(dataset.paths[index])
        member = Member.of(path)
        total += path.stat().st_size if member is None else member.length
        if total > shard_bytes:
            shuffled = np.random.default_rng(SEED).permutation(len(indices))
            return [indices[number] for number in shuffled.tolist()]
    return indices


def _write_sample(
    writer: ShardWriter, number: int, dataset: DataSet, index: int, name: str
) -> _Place:
    """Write an image and the JSON of its objects."""
    path = Path(dataset.paths[index])
    content = read_upright(path)
    with open_image(path, BytesIO(content)) as image:
        width, height = image.size
    truth = dataset.exact_truth(index)
    sample = {
        "file_name": name,
        "width": width,
        "height": height,
        "boxes": truth.boxes.tolist(),
        "classes": [dataset.class_names[label] for label in truth.labels.tolist()],
        "labels": truth.labels.tolist(),
        "areas": truth.areas.tolist(),
        "difficult": truth.difficult.tolist(),
        "crowd": truth.crowd.tolist(),
        **({"image_id": int(dataset.image_ids[index])} if dataset.has_ids else {}),
    }
    suffix = suffix_of(content, path.suffix)
    encoded = json.dumps(sample, ensure_ascii=False).encode()
    member = writer.add(f"{number:09d}", suffix.lower(), content, encoded)
    digest = hash_content(BytesIO(content), name)
    return _Place(member, (height, width), int.from_bytes(digest, "big", signed=True))


def _as_members(dataset: DataSet, written: Mapping[int, _Place], names: Sequence[str]) -> DataSet:
    """Return the data set in the order in which it was written, with its images in the shards."""
    members = (one.member for one in written.values())
    paths = (
        member_path(member.archive, member.offset, member.length, names[index])
        for index, member in zip(written, members, strict=True)
    )
    return replace(
        dataset.subset(list(written), description=dataset.description),
        paths=ImagePaths.of(paths),
        sizes=np.array([one.size for one in written.values()], dtype=np.int64).reshape(-1, 2),
        content_hashes=np.array([one.content_hash for one in written.values()], dtype=np.int64),
    )
