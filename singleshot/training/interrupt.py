"""Ctrl-C and SIGTERM as a wish that the training grants between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

__all__ = ["Wish", "granting_interrupts"]


@dataclass
class Wish:
    """Whether someone wants the training to stop."""

    stop: bool = False


@contextmanager
def granting_interrupts() -> Iterator[Wish]:
    """Turn the first signal into a wish; the second acts as it always does."""
    wish = Wish()
    if threading.current_thread() is not threading.main_thread():
        # Python handles signals in the main thread alone.
        yield wish
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def want_stop(number: int, _: FrameType | None) -> None:
        wish.stop = True
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, want_stop)
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
