"""Ctrl-C and SIGTERM: a wish that steps and validations grant; everywhere else the end at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

__all__ = ["Left", "Stopped", "Wish", "granting_interrupts", "stopping_at_once"]

Handler = Callable[[int, FrameType | None], object] | int | None  # as Python's signal has them


class Left(BaseException):
    """Raised inside work that is broken off; no handler of mere errors may catch it."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM where no step was under way; says what is left to do."""

    def __init__(self, number: int, left_to_do: str = "") -> None:
        super().__init__(left_to_do)
        self.signal = number


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
    """Turn the first signal into a wish; the second acts as it did before."""
    wish = Wish()

    def want_stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, before[number])
        wish.make(number)

    with handled(want_stop, signal.SIGINT, signal.SIGTERM) as before:
        yield wish


@contextmanager
def stopping_at_once(left_to_do: Callable[[], str]) -> Iterator[None]:
    """Raise Stopped, with words about what is left to do, wherever Ctrl-C or SIGTERM comes."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Stopped(number)

    with handled(stop, signal.SIGTERM):
        try:
            yield
        except KeyboardInterrupt as error:
            number = error.signal if isinstance(error, Stopped) else signal.SIGINT
            raise Stopped(number, left_to_do()) from error


@contextmanager
def handled(handler: Handler, *numbers: int) -> Iterator[dict[int, Handler]]:
    """Handle these signals; gives what handled them before, and does so again afterwards."""
    if threading.current_thread() is not threading.main_thread():
        # Python handles signals in the main thread alone.
        yield {}
        return
    before: dict[int, Handler] = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, handler)
    try:
        yield before
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
