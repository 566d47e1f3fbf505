"""Precautions of a training: memory is kept, compilers are tried, errors get a remedy."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from singleshot.errors import DataError, RecipeError, RunFailed, StorageError
from singleshot.recipes.training import TrainingSettings

__all__ = [
    "compile_network",
    "explaining_failures",
    "explaining_lack_of_memory",
    "is_out_of_memory",
    "keeping_memory",
]

# Of <malloc.h>, and the values that glibc begins with.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
TRIM_THRESHOLD, MMAP_MAX = 128 * 1024, 65536
NEVER = -1

# PyTorch raises a plain RuntimeError on a CPU, and a subclass of it on a GPU.
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


@contextmanager
def keeping_memory() -> Iterator[None]:
    """Keep freed memory for the next step, where the C library is glibc; elsewhere do nothing.

    A step frees hundreds of megabytes and allocates as much again. By default glibc returns large
    blocks to the system at once, which fills each page with zeros when it is allocated again: a
    fifth of the CPU time of an SSDLite's step (benchmarks/results/training-step.md).
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    library.mallopt(M_MMAP_MAX, 0)
    library.mallopt(M_TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        library.mallopt(M_MMAP_MAX, MMAP_MAX)
        library.mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD)
        library.malloc_trim(0)


def compile_network(model: nn.Module, device: torch.device) -> None:
    """Compile the forward pass into one graph; names and copies of the model stay as they are.

    Raises RecipeError where PyTorch cannot compile.
    """
    try:
        # The smallest graph there is, so that a missing compiler is found before anything begins.
        torch.compile(_double, dynamic=False)(torch.zeros(1, device=device))
    except Exception as error:  # each back end has kinds of its own
        what = str(error).strip().partition("\n")[0]
        raise RecipeError(
            f"training.compile = true: PyTorch cannot compile here ({what}); install a C++ "
            f"compiler such as g++ (for a GPU, Triton), or leave it out"
        ) from error
    model.compile(dynamic=False)


def _double(number: Tensor) -> Tensor:
    return number + number


@contextmanager
def explaining_failures(settings: TrainingSettings) -> Iterator[None]:
    """Turn errors in the middle of a training into RunFailed with the remedy."""
    try:
        with explaining_lack_of_memory(settings):
            yield
    except DataError as error:
        raise RunFailed(f"{error}; then --resume continues: the steps so far are saved") from error
    except StorageError as error:
        raise RunFailed(
            f"{error}; free some space, then --resume continues from what was saved last"
        ) from error


@contextmanager
def explaining_lack_of_memory(settings: TrainingSettings) -> Iterator[None]:
    """Turn a lack of memory, of the computer or of a GPU, into RunFailed with the remedy."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        what = str(error).partition("\n")[0] or "out of memory"
        raise RunFailed(
            f"too little memory for a step ({what}). Begin a new run with a smaller "
            f"training.batch_size (now {settings.batch_size}; training.accumulate makes up for "
            f"it) or model.input, or --resume where there is more: what was saved last is good"
        ) from error


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error is a lack of memory, of the computer or of a GPU."""
    if isinstance(error, MemoryError):
        return True
    return any(words in str(error).lower() for words in OUT_OF_MEMORY)
