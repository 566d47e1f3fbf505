"""Progress of long commands: a live display on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

if TYPE_CHECKING:
    from singleshot.runs.callbacks import Callback, EvaluationRecord, StartRecord, StepRecord

__all__ = ["LiveProgress", "PlainProgress", "image_progress", "training_progress"]

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def training_progress() -> Iterator["Callback"]:
    """Yield a callback that suits stderr; a terminal is restored at the end."""
    if not sys.stderr.isatty():
        yield PlainProgress()
        return
    live = LiveProgress(Console(stderr=True))
    try:
        yield live
    finally:
        live.close()


@contextmanager
def image_progress() -> Iterator[Callable[[int, int], None]]:
    """Yield a function to call with (images done, images in all)."""
    if not sys.stderr.isatty():
        yield _plain_image_progress()
        return
    columns = (TextColumn("images"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("images")
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _plain_image_progress() -> Callable[[int, int], None]:
    """Make a function that prints a line every few seconds; none for a short evaluation."""
    is_due = _Timer()

    def print_line(done: int, total: int) -> None:
        if is_due():
            _print(f"{done}/{total} images")

    return print_line


class LiveProgress:
    """Display of a training on a terminal: a bar with the remaining time over a line of numbers."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task("starting", total=None, left="")
        self._line = Text()
        self._validation = ""
        self._live = Live(Group(self._progress, self._line), console=console)

    def on_start(self, start: "StartRecord") -> None:  # noqa: ARG002 (each step has the length, too)
        """Show the display."""
        self._live.start()

    def on_step(self, step: "StepRecord") -> None:
        """Update the bar and the numbers."""
        self._progress.update(
            self._task,
            description=_position(step),
            completed=step.step,
            total=step.num_steps,
            left=_time_left(step),
        )
        self._line.plain = "  ".join([*_numbers(step), self._validation])

    def on_evaluation(self, record: "EvaluationRecord") -> None:
        """Show the last validation beside the numbers."""
        self._validation = _validation(record)

    def on_message(self, message: str) -> None:
        """Print above the display."""
        self._live.console.print(message, markup=False, highlight=False)

    def on_finish(self) -> None:
        """Leave the last state on the screen."""
        self.close()

    def close(self) -> None:
        """Stop the display; does nothing when it is stopped already."""
        self._live.stop()


class PlainProgress:
    """Lines of a training: its first and last step, and one every few seconds between."""

    def __init__(self) -> None:
        self._is_due = _Timer(at_once=True)

    def on_start(self, start: "StartRecord") -> None:
        """Print nothing before the first step."""

    def on_step(self, step: "StepRecord") -> None:
        """Print position and numbers, every few seconds and at the last step."""
        if self._is_due() or step.step == step.num_steps:
            _print(f"{_position(step)}: {', '.join([*_numbers(step), _time_left(step)])}")

    def on_evaluation(self, record: "EvaluationRecord") -> None:
        """Print the validation."""
        _print(f"epoch {record.epoch}: {_validation(record)}")

    def on_message(self, message: str) -> None:
        """Print the message."""
        _print(message)

    def on_finish(self) -> None:
        """Do nothing: there is no display to stop."""


class _Timer:
    """Callable that returns True when its last True is ten seconds ago."""

    def __init__(self, *, at_once: bool = False) -> None:
        self._next = time.monotonic() + (0 if at_once else SECONDS_BETWEEN_LINES)

    def __call__(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + SECONDS_BETWEEN_LINES
        return True


def _position(step: "StepRecord") -> str:
    """Format epoch and step."""
    return f"epoch {step.epoch}/{step.num_epochs}, step {step.step}/{step.num_steps}"


def _numbers(step: "StepRecord") -> list[str]:
    """Format losses, matches, learning rate and speed of a step."""
    return [
        *(f"{name.replace('_', ' ')} {value:.3f}" for name, value in step.losses.items()),
        f"{step.num_matches} matches",
        f"learning rate {step.learning_rate:.2g}",
        f"{step.images_per_second:.1f} images/s",
    ]


def _time_left(step: "StepRecord") -> str:
    """Format the time left, in whole seconds."""
    return f"{timedelta(seconds=round(step.seconds_left))} left"


def _validation(record: "EvaluationRecord") -> str:
    """Format the result of a validation."""
    return f"validation mAP {record.mean_average_precision:.3f}, AP50 {record.AP50:.3f}"


def _print(message: str) -> None:
    """Print a line on stderr, at once."""
    print(message, file=sys.stderr, flush=True)
