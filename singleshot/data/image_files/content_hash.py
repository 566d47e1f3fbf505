"""Hash of an image file's content, which does not change with its name or folder.

Imports no PyTorch.
"""

from __future__ import annotations

import hashlib
import os
from io import BytesIO, FileIO
from pathlib import PurePath

__all__ = ["HASH_BYTES", "hash_content"]

HASH_BYTES = 8
_BLOCK = 4096  # bytes at either end of a file
# The end of a compressed image depends on all of it; here both ends may be blank paper.
_UNCOMPRESSED = frozenset((".bmp", ".pgm", ".ppm", ".tif", ".tiff"))


def hash_content(file: BytesIO | FileIO, name: str) -> bytes:
    """Hash the length of an image file and its first and last bytes, or all if uncompressed.

    Reading all of a million photographs would take a quarter of an hour from a fast disk.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    whole = size <= 2 * _BLOCK or PurePath(name).suffix.lower() in _UNCOMPRESSED
    content = file.read(-1 if whole else _BLOCK)
    if not whole:
        file.seek(-_BLOCK, os.SEEK_END)
        content += file.read(_BLOCK)
    return hashlib.blake2b(content + size.to_bytes(8, "big"), digest_size=HASH_BYTES).digest()
