"""Memory that one step gave back is there for the next.

A step frees hundreds of megabytes and asks for the same again. The C library hands large pieces
back to the system at once, which has to fill each page with zeros when it is asked for again: a
fifth of the processor's time in an SSDLite's step (benchmarks/results/training-step.md).
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["keeping_memory"]

# Of <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
# What glibc begins with.
TRIM_THRESHOLD, MMAP_MAX = 128 * 1024, 65536
NEVER = -1


@contextmanager
def keeping_memory() -> Iterator[None]:
    """Keep what is freed, until the end; where the C library is not glibc, change nothing."""
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
