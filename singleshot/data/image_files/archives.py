"""Images inside other files, such as a TFRecord: their paths, and reading them without unpacking.

The path `cells.tfrecord#120+5678/a.jpg` is the image `a.jpg`: 5,678 bytes of `cells.tfrecord` from
byte 120. Its name, suffix and stem are the image's own, as everything expects that goes by names.

Imports no PyTorch.
"""

from __future__ import annotations

import re
from io import BytesIO, FileIO
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "Member",
    "file_of",
    "image_exists",
    "member_path",
    "open_file",
    "open_source",
    "read_content",
]

_MEMBER = re.compile(r"(?P<archive>.+)#(?P<offset>\d{1,18})\+(?P<length>\d{1,18})[/\\][^/\\]+")


class Member(NamedTuple):
    """A file inside another: its bytes there."""

    archive: Path
    offset: int
    length: int

    @classmethod
    def of(cls, path: Path) -> Member | None:
        """Split the path of a member; None for that of a file of its own."""
        if "#" not in path.parent.name or (found := _MEMBER.fullmatch(str(path))) is None:
            return None
        from singleshot.data.remote.shard_cache import is_cached  # noqa: PLC0415 (the network's)

        archive = Path(found["archive"])
        if not (archive.is_file() or is_cached(archive)):
            return None
        return cls(archive, int(found[2]), int(found[3]))

    def read(self) -> bytes:
        """Read its bytes; fewer where the archive ends before."""
        from singleshot.data.remote.shard_cache import is_cached, open_shard  # noqa: PLC0415

        opened = open_shard(self.archive) if is_cached(self.archive) else self.archive.open("rb")
        with opened as file:
            file.seek(self.offset)
            return file.read(self.length)


def member_path(archive: Path, offset: int, length: int, name: str) -> Path:
    """Make the path of a member; `name` is that of a file, without folders."""
    return archive.with_name(f"{archive.name}#{offset}+{length}") / name


def image_exists(path: Path) -> bool:
    """Check whether there is such a file, or such an archive."""
    return Member.of(path) is not None or path.exists()


def file_of(path: Path) -> Path:
    """Return the file that the bytes of an image are in: its own, or the archive."""
    member = Member.of(path)
    return path if member is None else member.archive


def open_source(path: Path) -> Path | BytesIO:
    """Return what Pillow opens: the path itself, or the bytes of a member."""
    member = Member.of(path)
    return path if member is None else BytesIO(member.read())


def open_file(path: Path) -> BytesIO | FileIO:
    """Open a file or a member, to read it without a buffer; raises OSError."""
    member = Member.of(path)
    return path.open("rb", buffering=0) if member is None else BytesIO(member.read())


def read_content(path: Path) -> bytes:
    """Read a file or a member; raises OSError."""
    member = Member.of(path)
    return path.read_bytes() if member is None else member.read()
