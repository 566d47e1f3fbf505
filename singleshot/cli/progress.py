"""How far a long command is: a live display on a terminal, a line now and then elsewhere."""

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
    """A callback that suits stderr, and a terminal left in order whatever happens."""
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
    """A function to be told (images done, images in all)."""
    if not sys.stderr.isatty():
        yield plain_image_progress()
        return
    columns = (TextColumn("images"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("images")
        yield lambda done, total: progress.update(task, completed=done, total=total)


def plain_image_progress() -> Callable[[int, int], None]:
    """A line every few seconds; none at all for a short evaluation."""
    due = Due()

    def tell(done: int, total: int) -> None:
        if due():
            say(f"{done}/{total} images")

    return tell


class LiveProgress:
    """The training on a terminal: a bar with the remaining time over a line of numbers."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task("starting", total=None, left="")
        self._numbers = Text()
        self._validation = ""
        self._live = Live(Group(self._progress, self._numbers), console=console)

    def on_start(self, start: "StartRecord") -> None:  # noqa: ARG002 (each step has the length, too)
        """Show the display."""
        self._live.start()

    def on_step(self, step: "StepRecord") -> None:
        """Move the bar and the numbers on."""
        self._progress.update(
            self._task,
            description=position(step),
            completed=step.step,
            total=step.num_steps,
            left=remaining(step),
        )
        self._numbers.plain = "  ".join([*measured(step), self._validation])

    def on_evaluation(self, record: "EvaluationRecord") -> None:
        """Keep the last validation in sight."""
        self._validation = validation(record)

    def on_message(self, message: str) -> None:
        """Print above the display."""
        self._live.console.print(message, markup=False, highlight=False)

    def on_finish(self) -> None:
        """Leave the last state on the screen."""
        self.close()

    def close(self) -> None:
        """Give the terminal back; harmless when done already."""
        self._live.stop()


class PlainProgress:
    """The training in a log: the first and last step, and one every few seconds between."""

    def __init__(self) -> None:
        self._due = Due(at_once=True)

    def on_start(self, start: "StartRecord") -> None:
        """Nothing to show yet."""

    def on_step(self, step: "StepRecord") -> None:
        """Say where the training is, now and then."""
        if self._due() or step.step == step.num_steps:
            say(f"{position(step)}: {', '.join([*measured(step), remaining(step)])}")

    def on_evaluation(self, record: "EvaluationRecord") -> None:
        """Say how good the detector has become."""
        say(f"epoch {record.epoch}: {validation(record)}")

    def on_message(self, message: str) -> None:
        """Pass a message on."""
        say(message)

    def on_finish(self) -> None:
        """Nothing to tidy up."""


class Due:
    """True when the last True is long enough ago."""

    def __init__(self, *, at_once: bool = False) -> None:
        self._next = time.monotonic() + (0 if at_once else SECONDS_BETWEEN_LINES)

    def __call__(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + SECONDS_BETWEEN_LINES
        return True


def position(step: "StepRecord") -> str:
    """Where the training is."""
    return f"epoch {step.epoch}/{step.num_epochs}, step {step.step}/{step.num_steps}"


def measured(step: "StepRecord") -> list[str]:
    """What the step measured."""
    return [
        *(f"{name.replace('_', ' ')} {value:.3f}" for name, value in step.losses.items()),
        f"{step.num_matches} matches",
        f"learning rate {step.learning_rate:.2g}",
        f"{step.images_per_second:.1f} images/s",
    ]


def remaining(step: "StepRecord") -> str:
    """The time left, in whole seconds."""
    return f"{timedelta(seconds=round(step.seconds_left))} left"


def validation(record: "EvaluationRecord") -> str:
    """The last validation."""
    return f"validation mAP {record.mean_average_precision:.3f}"


def say(message: str) -> None:
    """One line on stderr, at once."""
    print(message, file=sys.stderr, flush=True)
