"""Writing shards: tar files as webdataset reads them, each sample an image and its JSON.

Python's own tarfile writes them: webdataset's writer hides where in the file an image begins, which
the index needs. Times and owners are left out, so that the same data set gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from types import TracebackType
from typing import Any

from singleshot.data.formats.shards.index import Shard
from singleshot.data.formats.shards.names import shard_name
from singleshot.data.image_files.archives import Member
from singleshot.errors import StorageError
from singleshot.files import flush_to_disk

__all__ = ["ShardWriter"]

_BLOCK = tarfile.BLOCKSIZE


class _HashedFile:
    """A file that is written from its beginning to its end, with its hash."""

    def __init__(self, file: io.BufferedWriter) -> None:
        self.file = file
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, content: bytes) -> int:
        self.sha256.update(content)
        self.size += len(content)
        return self.file.write(content)

    def tell(self) -> int:
        return self.size


class ShardWriter:
    """Writes samples into tar files, beginning another one where a size is reached."""

    def __init__(self, folder: Path, shard_bytes: int) -> None:
        self.folder = folder
        self.shard_bytes = shard_bytes
        self.shards: list[Shard] = []
        self._split = ""
        self._number = 0
        self._file: _HashedFile | None = None
        self._tar: Any = None

    def begin(self, split: str) -> None:
        """Begin the first shard of a split."""
        self._close()
        self._split, self._number = split, 0

    def add(self, key: str, suffix: str, image: bytes, sample: bytes) -> Member:
        """Write `key.jpg` and `key.json`; returns where the image is.

        Raises:
            StorageError: full disk and the like.
        """
        try:
            if self._file is not None and self._file.size + len(image) > self.shard_bytes:
                self._close()
            if self._file is None:
                self._open()
            assert self._file is not None
            path = Path(self._file.file.name)
            offset = self._add_file(f"{key}{suffix}", image)
            self._add_file(f"{key}.json", sample)
            return Member(path, offset, len(image))
        except OSError as error:
            raise StorageError(f"{self.folder}: not written: {error.strerror or error}") from error

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._close()
        elif self._file is not None:
            self._file.file.close()

    def _open(self) -> None:
        path = self.folder / shard_name(self._split, self._number)
        self._file = _HashedFile(path.open("wb"))
        # tarfile calls `write` and `tell` alone; its types ask for a whole file.
        stream: Any = self._file
        self._tar = tarfile.TarFile(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT)
        self._number += 1

    def _close(self) -> None:
        """End the present shard."""
        if self._file is None:
            return
        self._tar.close()
        self._file.file.close()
        path = Path(self._file.file.name)
        flush_to_disk(path)
        self.shards.append(Shard(path.name, self._file.size, self._file.sha256.hexdigest()))
        self._file = self._tar = None

    def _add_file(self, name: str, content: bytes) -> int:
        """Add a file; returns where its content begins."""
        header = tarfile.TarInfo(name)
        header.size = len(content)
        header.mode = 0o644
        self._tar.addfile(header, io.BytesIO(content))
        self._tar.members = []  # or it would keep them all
        return int(self._tar.offset) - -(-len(content) // _BLOCK) * _BLOCK
