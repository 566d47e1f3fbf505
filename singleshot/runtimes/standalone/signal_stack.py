"""The stack that signals are handled on, which OpenVINO replaces by one that is too small."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["keep_signal_stack"]


class _SignalStack(ctypes.Structure):
    """`stack_t` of Linux (sigaltstack(2))."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


@contextmanager
def keep_signal_stack() -> Iterator[None]:
    """Put back the stack for signals of this thread after OpenVINO has loaded a processor.

    It leaves one of 11 kB, which overflows where registers are as wide as those of AVX-512: then a
    program with a handler in Python, as PyTorch's loader sets one, dies when a child process ends.
    """
    if sys.platform != "linux":
        yield
        return
    libc = ctypes.CDLL(None)
    before = _SignalStack()
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)
