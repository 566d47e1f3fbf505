"""A file of decoded images, which all trainings on a machine share that use the same images.

Its name is a hash of what it holds, so that it never changes: another list of images, an image that
was changed, or another size to shrink to is another file. It is written whole or not at all, by one
process while the others wait, and mapped into memory: the system keeps one copy for all processes,
and drops what it has no room for.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from jaxtyping import UInt8
from torch import Tensor

from singleshot.data.dataset import DataSet
from singleshot.data.image_files.archives import file_of
from singleshot.data.machine import available_cores
from singleshot.files import remove_partial_files, require_writable, write_atomically

__all__ = ["PixelFile"]

VERSION = 2  # of what is stored
AT_ONCE = 64  # images that are decoded before they are written


@dataclass(frozen=True)
class PixelFile:
    """The file of some images: their pixels end to end, nothing else."""

    path: Path

    @classmethod
    def of(cls, dataset: DataSet, shorter_side: int | None, folder: Path) -> PixelFile:
        """Locate the file of these images, shrunk to this shorter side, in a folder."""
        digest = hashlib.sha256(json.dumps([VERSION, shorter_side]).encode())
        for path in dataset.paths:
            digest.update(json.dumps([str(Path(path).absolute()), *_state(Path(path))]).encode())
        return cls(folder.expanduser() / f"{digest.hexdigest()[:32]}.pixels")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Wait for another process that writes the file, and let others wait.

        Raises:
            StorageError: the folder cannot be written.
        """
        require_writable(self.lock)
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.lock):
            yield

    @property
    def lock(self) -> Path:
        """The file that is locked while this one is written."""
        return self.path.with_name(f".{self.path.name}.lock")

    def num_bytes(self) -> int | None:
        """Return the size of the file, None where it is not written yet."""
        return self.path.stat().st_size if self.path.is_file() else None

    def free_space(self) -> int:
        """Return the free bytes of its disk."""
        return shutil.disk_usage(self.path.parent).free

    def write(self, number: int, read: Callable[[int], UInt8[Tensor, "3 h w"]]) -> None:
        """Write the images 0 to number - 1, one after the other.

        Raises:
            DataError: an image is broken or missing.
            StorageError: the disk is full, or the like.
        """
        self._remove_abandoned()
        threads = ThreadPoolExecutor(available_cores())
        with write_atomically(self.path) as beside, beside.open("wb") as file, threads:
            for start in range(0, number, AT_ONCE):
                for image in threads.map(read, range(start, min(start + AT_ONCE, number))):
                    file.write(image.contiguous().numpy().data)

    def _remove_abandoned(self) -> None:
        """Delete what trainings left that were killed while they wrote; others' have their lock."""
        remove_partial_files(self.path.parent, of=self.path.name)
        for left in self.path.parent.glob(".*.pixels.*.part"):
            other = PixelFile(self.path.with_name(left.name[1:].split(".pixels.")[0] + ".pixels"))
            with suppress(Timeout), FileLock(other.lock, timeout=0):
                remove_partial_files(self.path.parent, of=other.path.name)

    def open(self) -> UInt8[Tensor, " bytes"]:
        """Map the file into memory; the pixels are only read."""
        pixels = np.memmap(self.path, dtype=np.uint8, mode="r")
        with warnings.catch_warnings():
            # PyTorch warns that it has no tensors that cannot be written.
            warnings.simplefilter("ignore", UserWarning)
            return torch.from_numpy(pixels)


def _state(path: Path) -> tuple[int, int]:
    """Return what changes with an image file: time in nanoseconds and size; zeros if missing."""
    try:
        status = file_of(path).stat()
    except OSError:
        return 0, 0  # reading it will raise an error that names it
    return status.st_mtime_ns, status.st_size
