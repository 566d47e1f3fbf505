"""A callback for trainings in tests: keeps the messages, and may act after some step."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from singleshot.runs.callbacks import CallbackList

__all__ = ["Recorder", "press_ctrl_c"]


def press_ctrl_c() -> None:
    """Send the signal of Ctrl-C to this process."""
    os.kill(os.getpid(), signal.SIGINT)


class Recorder(CallbackList):
    """Keeps all messages, and calls `act`, by default Ctrl-C, after the step `after`."""

    def __init__(self, after: int | None = None, act: Callable[[], object] = press_ctrl_c) -> None:
        super().__init__([])
        self.messages: list[str] = []
        self.after, self.act = after, act

    def on_step(self, step):
        if step.step == self.after:
            self.act()

    def on_message(self, message):
        self.messages.append(message)
