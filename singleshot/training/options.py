"""Options of a training: those of `singleshot.train` and of the command `singleshot train`."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from singleshot.data.reading import ReadingOptions, parse_pairs
from singleshot.errors import SingleshotError
from singleshot.options import (
    DATA,
    DEVICE,
    OVERRIDES,
    DataPaths,
    Device,
    Option,
    callback,
    option,
)
from singleshot.runs.callbacks import Callback

__all__ = [
    "PROGRESS",
    "TRAINING_SPLIT",
    "TimeBudget",
    "TrainingOptions",
    "duration_option",
    "format_duration",
    "parse_class_map",
    "parse_duration",
    "require_options_of_auto",
]

AIM = 0.95  # of a time budget: machines slow down, and a program takes time to leave

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_AMOUNT = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"(?:{_AMOUNT}h)?(?:{_AMOUNT}m)?(?:{_AMOUNT}s)?(?:{_AMOUNT}ms)?")


def parse_duration(text: str) -> float:
    """Parse seconds from 90s, 20m, 1.5h or 1h30m; ValueError for anything else, as 0s and 20."""
    match = _DURATION.fullmatch(text.strip().lower())
    amounts = zip(_UNITS.values(), match.groups() if match else (), strict=False)
    seconds = sum(unit * float(amount) for unit, amount in amounts if amount)
    if not seconds:
        raise ValueError(f"{text!r} is no time; write 90s, 20m, 1.5h or 1h30m")
    return seconds


def parse_class_map(class_map: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """Parse pairs such as pedestrian=person; SingleshotError for any other text."""
    pairs = parse_pairs("--class-map", class_map)
    for ours, theirs in pairs.items():
        if not theirs:
            raise SingleshotError(f"--class-map {ours}=: expected two names, as pedestrian=person")
    return pairs


def require_options_of_auto(recipe: str | Path, options: TrainingOptions) -> None:
    """Raise SingleshotError for options that `train auto` alone has, or does not have."""
    from singleshot.recipes.load import AUTO  # noqa: PLC0415 (`--help` does not wait)

    limits = {"--max-latency": options.max_latency, "--max-gmac": options.max_gmac}
    for flag, value in limits.items():
        if value is not None and str(recipe) != AUTO:
            raise SingleshotError(
                f"{flag} bounds what `train {AUTO}` chooses; {recipe} has its size already: leave "
                f"it out, or give {AUTO} in place of {recipe}"
            )
    changes = {"--prune": options.prune is not None, "--quantize": options.quantize}
    for flag, is_given in changes.items():
        if is_given and str(recipe) == AUTO:
            raise SingleshotError(
                f"{flag} keeps the network of --init as it is, so that there is nothing to choose; "
                f"give {options.init} in place of {AUTO}"
            )


def duration_option(help: str, minimum: float) -> dict[str, Option]:
    """Make the metadata of a field in seconds, written on the command line as 90s or 20m.

    Args:
        help: what the field is for.
        minimum: seconds; less is refused.
    """
    return option(
        help,
        metavar="TIME",
        minimum=minimum,
        unit="seconds",
        parse=parse_duration,
        to_text=_duration_words,
    )


def _duration_words(duration: float | TimeBudget) -> str:
    """Write seconds so that `parse_duration` reads them: without an exponent."""
    seconds = duration.seconds if isinstance(duration, TimeBudget) else duration
    digits = f"{Decimal(str(seconds)):f}"
    return f"{digits.removesuffix('.0')}s"


def format_duration(seconds: float) -> str:
    """Format seconds as 1:02:03, or as 4.2 s below a minute."""
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


@dataclass(frozen=True)
class TimeBudget:
    """Wall time of a training, in seconds, and when it began by the monotonic clock."""

    seconds: float
    start: float

    @classmethod
    def of(cls, seconds: float | TimeBudget | None) -> TimeBudget | None:
        """Start a budget of so many seconds now; one that has started is returned unchanged."""
        if seconds is None or isinstance(seconds, TimeBudget):
            return seconds
        return cls(seconds, time.monotonic())

    @property
    def aim(self) -> float:
        """The moment by which everything should be done."""
        return self.start + AIM * self.seconds

    @property
    def end(self) -> float:
        """The moment after which the budget is exceeded."""
        return self.start + self.seconds

    def summarise(self, now: float) -> str:
        """Compare the planned time with the time taken until `now`, as a sentence."""
        took = now - self.start
        over = f", {format_duration(took - self.seconds)} over the budget" * (now > self.end)
        return (
            f"planned to take {format_duration(AIM * self.seconds)} of a time budget of "
            f"{format_duration(self.seconds)}, took {format_duration(took)}{over}"
        )


# Metadata of the field `split` of all that train.
TRAINING_SPLIT = option(
    "Images to train on; a+b joins two. Left out: train, else trainval, else all.",
    metavar="SPLIT",
)


# Metadata of the field `progress` of all that train.
PROGRESS = callback(
    "Show progress and messages, such as the splits taken. Default: on terminals and in notebooks."
)


@dataclass(frozen=True)
class TrainingOptions(ReadingOptions):
    """Data, run folder, initial weights and checks of one training."""

    data: DataPaths = field(default=(), metadata=DATA)
    _: KW_ONLY
    split: str | None = field(default=None, metadata=TRAINING_SPLIT)
    val_split: str | None = field(
        default=None,
        metadata=option(
            "Images to validate on. Left out: val, else a tenth of the training images, which is "
            "then the split set-aside of the run; none: no validation.",
            metavar="SPLIT|none",
        ),
    )
    run: str | Path | None = field(
        default=None,
        metadata=option(
            "Run folder to write. Left out: the first free one under runs/.", metavar="DIR"
        ),
    )
    init: str | Path | None = field(
        default=None,
        metadata=option(
            "Start from this detector: a run folder, a checkpoint, a downloaded detector, or a "
            "file that models import reads. Class outputs are carried over by class name.",
            metavar="MODEL",
            cli_type=str | None,
        ),
    )
    class_map: Mapping[str, str] | Sequence[str] = field(
        default=(),
        metadata=option(
            "A class of the data that the detector of --init has under another name, as in "
            "pedestrian=person; may be repeated.",
            metavar="CLASS=ITS",
        ),
    )
    teacher: str | Path | None = field(
        default=None,
        metadata=option(
            "Distil this larger detector: a run folder, a checkpoint, a downloaded detector, or a "
            "file that models import reads. Its classes are matched by name.",
            metavar="MODEL",
            cli_type=str | None,
        ),
    )
    prune: float | None = field(
        default=None,
        metadata=option(
            "Remove this share of the channels of the wide layers of --init's backbone, those "
            "with the smallest weights, and fine-tune what is left.",
            metavar="SHARE",
        ),
    )
    quantize: bool = field(
        default=False,
        metadata=option(
            "Fine-tune the detector of --init with the rounding of int8 inference: fake "
            "quantisation, a hundredth of the learning rate, 5 epochs; --set overrides these."
        ),
    )
    epochs: int | None = field(
        default=None,
        metadata=option(
            "Passes over the images: short for --set training.epochs=N.", metavar="N", minimum=1
        ),
    )
    batch_size: int | None = field(
        default=None,
        metadata=option(
            "Images in a step: short for --set training.batch_size=N.", metavar="N", minimum=1
        ),
    )
    input: str | Sequence[int] | None = field(
        default=None,
        metadata=option(
            "Size that images are resized to, such as 320x320: short for --set model.input=[H,W].",
            metavar="HxW",
            cli_type=str | None,
        ),
    )
    overrides: Mapping[str, object] | Sequence[str] = field(default=(), metadata=OVERRIDES)
    resume: bool = field(
        default=False,
        metadata=option(
            "Resume a run where it was interrupted: its folder, in place of the recipe, is enough."
        ),
    )
    time_budget: float | TimeBudget | None = field(
        default=None,
        metadata=duration_option(
            "Fit everything into this wall time, as in 90s, 20m or 1h30m: steps, validations and "
            "the report.",
            minimum=0.001,
        ),
    )
    max_latency: float | None = field(
        default=None,
        metadata=duration_option(
            "With auto: the detector takes at most this time from a decoded image to its boxes on "
            "this machine, as in 20ms.",
            minimum=0.0001,
        ),
    )
    max_gmac: float | None = field(
        default=None,
        metadata=option(
            "With auto: the detector has at most so many billions of multiply-adds an image.",
            metavar="GMAC",
        ),
    )
    device: Device = field(default="auto", metadata=DEVICE)
    profile: bool = field(
        default=False,
        metadata=option("Profile the first steps; the table is in the run's profile.txt."),
    )
    self_test: bool = field(
        default=False,
        metadata=option(
            "Before the run, check that one batch can be overfitted and that the annotations "
            "score 1 as predictions."
        ),
    )
    track: Literal["mlflow"] | None = field(
        default=None,
        metadata=option(
            "Record the run in MLflow, too: in MLFLOW_TRACKING_URI, else in the folder mlruns."
        ),
    )
    callback: Callback | None = field(
        default=None,
        metadata=callback("Its methods are called as the training proceeds; see `Callback`."),
    )
    progress: bool | None = field(default=None, metadata=PROGRESS)

    def __post_init__(self) -> None:
        """Raise SingleshotError for a value that cannot be used."""
        super().__post_init__()
        if (size := self._input_size()) is not None:
            object.__setattr__(self, "input", "x".join(map(str, size)))
        if parse_class_map(self.class_map) and self.init is None and not self.resume:
            raise SingleshotError("--class-map names classes of a detector; give one to --init")
        if self.prune is not None and not 0 < self.prune < 1:
            raise SingleshotError(f"--prune {self.prune:g}: expected a share, such as 0.5")
        if self.max_gmac is not None and not self.max_gmac > 0:
            raise SingleshotError(
                f"--max-gmac {self.max_gmac:g}: expected more than 0, such as 0.5"
            )
        for option_, given in (("quantize", self.quantize), ("prune", self.prune)):
            if given and self.init is None and not self.resume:
                raise SingleshotError(f"--{option_} is of a trained detector; give it to --init")

    @property
    def all_overrides(self) -> Mapping[str, object]:
        """Values by key of the recipe, those that have options of their own included."""
        from singleshot.recipes.load import pairs  # noqa: PLC0415 (`--help` does not wait)

        short = {
            "training.epochs": self.epochs,
            "training.batch_size": self.batch_size,
            "model.input": self._input_size(),
        }
        given = {key: value for key, value in short.items() if value is not None}
        return {**given, **dict(pairs(self.overrides))}

    def _input_size(self) -> list[int] | None:
        """Parse `input` to (height, width); SingleshotError for anything else."""
        if self.input is None:
            return None
        if not isinstance(self.input, str):
            sides = [side for side in self.input if isinstance(side, int)]
            if len(sides) != 2 or len(self.input) != 2:
                raise SingleshotError(
                    f"input: {self.input!r}: expected (height, width) in pixels, such as (320, 320)"
                )
            return sides
        match = re.fullmatch(r"(\d+)[xX×](\d+)", self.input)
        if match is None:
            raise SingleshotError(
                f"--input {self.input}: expected height x width in pixels, such as 320x320"
            )
        return [int(side) for side in match.groups()]
