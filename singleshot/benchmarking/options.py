"""Options of `benchmark`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from singleshot.data.reading import ReadingOptions
from singleshot.errors import SingleshotError
from singleshot.files import require_writable
from singleshot.options import DATA, DEVICE, DataPaths, Device, callback, option
from singleshot.runs.callbacks import OnMessage
from singleshot.runs.reporting import WithPage, WithProgress

__all__ = ["BenchmarkOptions", "parse_counts", "parse_size"]

Counts = str | Sequence[int]


def parse_counts(value: Counts) -> tuple[int, ...]:
    """Read `1,8`, or a list of whole numbers from 1; raises SingleshotError for anything else."""
    words = value.split(",") if isinstance(value, str) else [str(one) for one in value]
    numbers = [word.strip() for word in words]
    if not numbers or not all(re.fullmatch(r"[1-9]\d{0,4}", number) for number in numbers):
        raise SingleshotError(f"{value!r}: expected whole numbers from 1, such as 1 or 1,8")
    return tuple(dict.fromkeys(map(int, numbers)))


def parse_size(value: str) -> tuple[int, int]:
    """Read `640x480`, width by height, as (height, width); SingleshotError for anything else."""
    found = re.fullmatch(r"([1-9]\d{0,4})[x×]([1-9]\d{0,4})", value.strip())
    if found is None:
        raise SingleshotError(f"size: {value!r}: expected width x height, such as 640x480")
    return int(found[2]), int(found[1])


def _check_counts(name: str) -> Callable[[Any], None]:
    """Make a function that refuses what `parse_counts` cannot read, naming the option."""

    def check(value: Any) -> None:
        try:
            parse_counts(value)
        except SingleshotError as error:
            raise SingleshotError(f"{name}: {error}") from error

    return check


@dataclass(frozen=True)
class BenchmarkOptions(WithPage, WithProgress, ReadingOptions):
    """Options of one benchmark."""

    # An option instead of an argument, because the models are arguments.
    data: DataPaths = field(default=(), metadata=DATA)
    _: KW_ONLY
    split: str | None = field(
        default=None,
        metadata=option("Split to take images from; default: test, else val, else all."),
    )
    size: str = field(
        default="640x480",
        metadata=option(
            "Width x height of the images that are drawn where no data is given.",
            metavar="WxH",
            validate=parse_size,
        ),
    )
    batch: Counts = field(
        default="1",
        metadata=option(
            "Images detected together; 1,8 measures both.",
            metavar="N,N",
            cli_type=str,
            validate=_check_counts("batch"),
        ),
    )
    threads: Counts | None = field(
        default=None,
        metadata=option(
            "Threads of PyTorch or of the runtime; 1,2 measures both. Default: one for each core.",
            metavar="N,N",
            cli_type=str,
            validate=_check_counts("threads"),
        ),
    )
    streams: Counts = field(
        default="1",
        metadata=option(
            "Copies of a model at work at the same time, in processes of their own; 1,2 measures "
            "both. More than one is for throughput.",
            metavar="N,N",
            cli_type=str,
            validate=_check_counts("streams"),
        ),
    )
    timings: int = field(
        default=120,
        metadata=option("Images timed of each model, over all rounds.", metavar="N", minimum=1),
    )
    rounds: int = field(
        default=6, metadata=option("Turns that each model has.", metavar="N", minimum=1)
    )
    max_seconds: float = field(
        default=30.0,
        metadata=option(
            "Time after which a model has no further turns.",
            metavar="SECONDS",
            minimum=0.1,
            unit="seconds",
        ),
    )
    score_threshold: float | None = field(
        default=None,
        metadata=option(
            "Drop boxes below this score, on whose number the time of postprocessing depends. "
            "Default: each model's own, mostly 0.01.",
            metavar="T",
            minimum=0,
            maximum=1,
        ),
    )
    num_classes: int = field(
        default=20,
        metadata=option(
            "Classes of recipes, which are timed with random weights.", metavar="N", minimum=1
        ),
    )
    check: bool = field(
        default=False,
        metadata=option(
            "Also time the network in a plain loop, and with the runtime's own benchmark where it "
            "has one; all should agree."
        ),
    )
    report: str | Path | None = field(
        default=None,
        metadata=option(
            "Folder for report.html and benchmark.json; models are also evaluated on annotated "
            "data, and plotted by accuracy and latency.",
            metavar="DIR",
        ),
    )
    device: Device = field(default="auto", metadata=DEVICE)
    on_message: OnMessage | None = field(
        default=None, metadata=callback("Called with each message, such as a busy machine.")
    )
    progress: bool | Callable[[int, int], None] | None = field(
        default=None,
        metadata=callback(
            "Show progress and messages; or a function, called with (images done, images in all) "
            "during an evaluation. Default: shown on terminals and in notebooks."
        ),
    )

    def __post_init__(self) -> None:
        """Raise SingleshotError for a value or a path that cannot be used."""
        super().__post_init__()
        for name in ("batch", "threads", "streams"):
            value = getattr(self, name)
            if value is not None:  # written as on the command line
                numbers = ",".join(map(str, parse_counts(value)))
                object.__setattr__(self, name, numbers)
        if self.page is not None:
            require_writable(self.page)
            require_writable(self.page.with_name("benchmark.json"))

    @property
    def batches(self) -> tuple[int, ...]:
        """Sizes of batches, smallest first."""
        return tuple(sorted(parse_counts(self.batch)))

    @property
    def thread_counts(self) -> tuple[int | None, ...]:
        """Numbers of threads; None for as many as there are cores."""
        return (None,) if self.threads is None else parse_counts(self.threads)

    @property
    def stream_counts(self) -> tuple[int, ...]:
        """Numbers of streams."""
        return parse_counts(self.streams)
