"""Data sets in shards at a URL: the index is fetched when they are opened, shards as needed.

Imports no PyTorch.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from singleshot.data.formats.shards.names import INDEX, index_content
from singleshot.data.remote.fetching import Fetched, fetch_file
from singleshot.data.remote.shard_cache import CACHE_SIZE, cache_bytes, save_origin, shards_folder
from singleshot.errors import DataError
from singleshot.files import hash_file, write_atomically

__all__ = ["RemoteDataSet", "open_url"]


class RemoteDataSet(NamedTuple):
    """A data set whose shards are fetched when they are read."""

    folder: Path  # with its index
    note: str


# A command opens a data set several times: one request is enough.
@lru_cache(maxsize=16)
def open_url(url: str) -> RemoteDataSet:
    """Fetch the index of a data set, unless it is here; `url` is that of its folder or its index.

    Raises:
        DataError: there is no index, or it is damaged.
    """
    base = url.removesuffix(INDEX).rstrip("/")
    root = shards_folder()
    known = root / f"{hashlib.sha256(base.encode()).hexdigest()[:16]}.json"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(known.with_suffix(".lock")):
        folder, version = _read_known(known)
        note = ""
        partial = known.with_suffix(".part")
        partial.unlink(missing_ok=True)
        try:
            answer = fetch_file(f"{base}/{INDEX}", partial, version=version)
        except DataError as error:
            if folder is None:
                raise DataError(
                    f"{error}. A data set is read from a URL where `singleshot data convert DATA "
                    f"--to shards OUT` wrote it: with its {INDEX}"
                ) from error
            answer, note = Fetched(False, version), f"{error}; the {INDEX} fetched before is used"
        if answer.is_new or folder is None:
            folder = _store(partial, base)
            content = {"url": base, "folder": folder.name, "version": answer.version}
            with write_atomically(known) as beside:
                beside.write_text(json.dumps(content), encoding="utf-8")
    space = cache_bytes() / 1e9
    limit = f"{base}: shards are fetched into {root} as they are needed, up to {space:.1f} GB"
    return RemoteDataSet(folder, note or f"{limit} ({CACHE_SIZE})")


def _read_known(file: Path) -> tuple[Path | None, str]:
    """Read the folder and version of an index that was fetched before."""
    try:
        content = json.loads(file.read_bytes())
        folder = file.parent / Path(content["folder"]).name
        if (folder / INDEX).is_file():
            return folder, str(content["version"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None, ""


def _store(partial: Path, url: str) -> Path:
    """Keep an index in a folder of its own, named by its content: shards belong to it."""
    content = index_content(partial)
    shards = {str(name): (int(size), str(sha)) for name, size, sha in content["shards"]}
    digest = hashlib.sha256(f"{url} {hash_file(partial)}".encode()).hexdigest()
    folder = partial.with_name(digest[:24])
    folder.mkdir(exist_ok=True)
    save_origin(folder, url, shards)
    partial.replace(folder / INDEX)
    return folder
