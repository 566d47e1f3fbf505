"""Progress of long tasks: a live display on a terminal, a line every few seconds elsewhere.

Python programs see it on a terminal and in a notebook only, unless `progress=True` is given;
`progress=False` silences it.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from singleshot.runs.callbacks import (
    Callback,
    CallbackList,
    EvaluationRecord,
    OnMessage,
    StartRecord,
    StepRecord,
)

__all__ = [
    "Display",
    "LiveProgress",
    "PlainProgress",
    "download_display",
    "image_display",
    "training_display",
]

SECONDS_BETWEEN_LINES = 10.0


class Display(NamedTuple):
    """Functions that show the progress of a detection in many images."""

    progress: Callable[[int, int], None] | None  # called with (images done, images in all)
    on_message: OnMessage | None


@contextmanager
def training_display(progress: bool | None, callback: Callback | None) -> Iterator[Callback | None]:
    """Yield the callback of a training, and before it a display; a terminal is restored at the end.

    Args:
        progress: None shows it on terminals and in notebooks, True everywhere, False nowhere.
        callback: that of the user.
    """
    if not _is_shown(progress):
        yield callback
        return
    display = LiveProgress(Console(stderr=True)) if sys.stderr.isatty() else PlainProgress()
    try:
        yield display if callback is None else CallbackList([display, callback])
    finally:
        display.close()


@contextmanager
def image_display(
    progress: bool | Callable[[int, int], None] | None, on_message: OnMessage | None
) -> Iterator[Display]:
    """Yield functions to call with progress and messages: those given, else a display's.

    Args:
        progress: a function, or whether to display as in `training_display`.
        on_message: a function; without it, messages are displayed as progress is.
    """
    if callable(progress):
        yield Display(progress, on_message)
    elif not _is_shown(progress):
        yield Display(None, on_message)
    elif not sys.stderr.isatty():
        yield Display(_plain_progress("{}/{} images"), on_message or _print)
    else:
        columns = (TextColumn("images"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("images")
            yield Display(
                lambda done, total: bar.update(task, completed=done, total=total),
                on_message or _print,
            )


@contextmanager
def download_display(
    progress: bool | Callable[[int, int], None] | None,
) -> Iterator[Callable[[int, int], None] | None]:
    """Yield a function to call with (bytes received, bytes in all), as `image_display` does."""
    if callable(progress):
        yield progress
    elif not _is_shown(progress):
        yield None
    elif not sys.stderr.isatty():
        yield _plain_progress("{:,}/{:,} bytes")
    else:
        columns = (TextColumn("download"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("download")
            yield lambda done, total: bar.update(task, completed=done, total=total)


def _is_shown(progress: bool | None) -> bool:
    """Return whether to display progress; left open, on terminals and in notebooks."""
    return sys.stderr.isatty() or _in_notebook() if progress is None else progress


def _in_notebook() -> bool:
    """Return whether this program is the kernel of a notebook, where stderr is no terminal."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    return hasattr(get_shell(), "kernel")


def _plain_progress(line: str) -> Callable[[int, int], None]:
    """Make a function that prints a line every few seconds; none for what takes less."""
    is_due = _Timer()

    def print_line(done: int, total: int) -> None:
        if is_due():
            _print(line.format(done, total))

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

    def on_start(self, start: StartRecord) -> None:  # noqa: ARG002 (each step has the length, too)
        """Show the display."""
        self._live.start()

    def on_step(self, step: StepRecord) -> None:
        """Update the bar and the numbers."""
        self._progress.update(
            self._task,
            description=_position(step),
            completed=step.step,
            total=step.num_steps,
            left=_time_left(step),
        )
        self._line.plain = "  ".join([*_numbers(step), self._validation])

    def on_evaluation(self, record: EvaluationRecord) -> None:
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

    def on_start(self, start: StartRecord) -> None:
        """Print nothing before the first step."""

    def on_step(self, step: StepRecord) -> None:
        """Print position and numbers, every few seconds and at the last step."""
        if self._is_due() or step.step == step.num_steps:
            _print(f"{_position(step)}: {', '.join([*_numbers(step), _time_left(step)])}")

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Print the validation."""
        _print(f"epoch {record.epoch}: {_validation(record)}")

    def on_message(self, message: str) -> None:
        """Print the message."""
        _print(message)

    def on_finish(self) -> None:
        """Do nothing: there is no display to stop."""

    def close(self) -> None:
        """Do nothing, too."""


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


def _position(step: StepRecord) -> str:
    """Format epoch and step."""
    return f"epoch {step.epoch}/{step.num_epochs}, step {step.step}/{step.num_steps}"


def _numbers(step: StepRecord) -> list[str]:
    """Format losses, matches, learning rate and speed of a step."""
    return [
        *(f"{name.replace('_', ' ')} {value:.3f}" for name, value in step.losses.items()),
        f"{step.num_matches} matches",
        f"learning rate {step.learning_rate:.2g}",
        f"{step.images_per_second:.1f} images/s",
    ]


def _time_left(step: StepRecord) -> str:
    """Format the time left, in whole seconds."""
    return f"{timedelta(seconds=round(step.seconds_left))} left"


def _validation(record: EvaluationRecord) -> str:
    """Format the result of a validation."""
    return f"validation mAP {record.mean_average_precision:.3f}, AP50 {record.AP50:.3f}"


def _print(message: str) -> None:
    """Print a line at once: on stderr, which a notebook would mark as errors."""
    print(message, file=sys.stdout if _in_notebook() else sys.stderr, flush=True)
