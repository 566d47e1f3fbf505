"""Ctrl-C and SIGTERM as a wish that the training grants between two steps, or in a validation."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

__all__ = ["Left", "Wish", "granting_interrupts"]


class Left(BaseException):
    """Raised inside work that is broken off; no handler of mere errors may catch it."""


@dataclass
class Wish:
    """Whether someone wants the training to stop."""

    stop: bool = False
    signal: int | None = None  # that the wish was made by
    breaks_off: bool = False

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """Work that leaves nothing behind, so that a wish may end it anywhere by raising Left."""
        self.breaks_off = True
        try:
            if self.stop:
                raise Left
            yield
        finally:
            self.breaks_off = False

    def make(self, number: int) -> None:
        """Someone wants the training to stop; raises Left inside work that may be broken off."""
        self.stop, self.signal = True, number
        if self.breaks_off:
            self.breaks_off = False
            raise Left


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
        signal.signal(number, before[signal.Signals(number)])
        wish.make(number)

    for number in before:
        signal.signal(number, want_stop)
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
