"""Ctrl-C and SIGTERM: a training stops after the current step, anything else at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

__all__ = [
    "Interrupt",
    "Interrupted",
    "ValidationAborted",
    "graceful_interrupts",
    "immediate_interrupts",
]

_Handler = Callable[[int, FrameType | None], object] | int | None  # as Python's signal has them


class ValidationAborted(BaseException):
    """Raised inside a validation that is interrupted; no `except Exception` may catch it."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM outside the training loop; the message describes what is left to do."""

    def __init__(self, number: int, left_to_do: str = "") -> None:
        super().__init__(left_to_do)
        self.signal = number


@dataclass
class Interrupt:
    """Request to stop a training after its current step or during its validation."""

    stop: bool = False
    signal: int | None = None  # that made the request
    _aborts: bool = False

    @contextmanager
    def aborting(self) -> Iterator[None]:
        """Let a request end the enclosed work anywhere, by raising ValidationAborted."""
        self._aborts = True
        try:
            if self.stop:
                raise ValidationAborted
            yield
        finally:
            self._aborts = False

    def request(self, number: int) -> None:
        """Request the end of the training; raises ValidationAborted inside `aborting`."""
        self.stop, self.signal = True, number
        if self._aborts:
            self._aborts = False
            raise ValidationAborted


@contextmanager
def graceful_interrupts() -> Iterator[Interrupt]:
    """Turn the first signal into a request to stop; the second one acts as it did before."""
    interrupt = Interrupt()

    def request_stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, before[number])
        interrupt.request(number)

    with _handling(request_stop, signal.SIGINT, signal.SIGTERM) as before:
        yield interrupt


@contextmanager
def immediate_interrupts(describe: Callable[[], str]) -> Iterator[None]:
    """Raise Interrupted, with a description of what is left to do, at Ctrl-C or SIGTERM."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Interrupted(number)

    with _handling(stop, signal.SIGTERM):
        try:
            yield
        except KeyboardInterrupt as error:
            number = error.signal if isinstance(error, Interrupted) else signal.SIGINT
            raise Interrupted(number, describe()) from error


@contextmanager
def _handling(handler: _Handler, *numbers: int) -> Iterator[dict[int, _Handler]]:
    """Handle these signals and yield their handlers of before, which are restored at the end."""
    if threading.current_thread() is not threading.main_thread():
        # Python handles signals in the main thread alone.
        yield {}
        return
    before: dict[int, _Handler] = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, handler)
    try:
        yield before
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
