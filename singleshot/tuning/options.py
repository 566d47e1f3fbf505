"""Options of `tune`."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Literal

from singleshot.data.reading import ReadingOptions
from singleshot.options import (
    DATA,
    DEVICE,
    OVERRIDES,
    DataPaths,
    Device,
    callback,
    option,
)
from singleshot.runs.callbacks import Callback
from singleshot.training.options import PROGRESS, TRAINING_SPLIT, duration_option

__all__ = ["Keep", "TuningOptions"]

Keep = Literal["log", "checkpoint", "all"]


@dataclass(frozen=True)
class TuningOptions(ReadingOptions):
    """Options of a hyperparameter search."""

    data: DataPaths = field(metadata=DATA)
    _: KW_ONLY
    trials: int = field(
        metadata=option(
            "Trainings in all, including those of earlier calls and of other processes.",
            metavar="N",
            minimum=1,
        )
    )
    split: str | None = field(default=None, metadata=TRAINING_SPLIT)
    val_split: str | None = field(
        default=None,
        metadata=option(
            "Split to evaluate trials on; default: val, else a tenth of the training images.",
            metavar="SPLIT",
        ),
    )
    run: str | Path | None = field(
        default=None,
        metadata=option(
            "Folder of the search, which the same command resumes; default: the first free one "
            "under runs/.",
            metavar="DIR",
        ),
    )
    overrides: Mapping[str, object] | Sequence[str] = field(default=(), metadata=OVERRIDES)
    search: Sequence[str] = field(
        default=(),
        metadata=option(
            "Values to try: key=low..high, key=low..high:log (logarithmic scale) or key=a,b,c; may "
            "be repeated. Default: nine keys that suit any recipe.",
            metavar="KEY=VALUES",
        ),
    )
    timeout: float | None = field(
        default=None,
        metadata=duration_option(
            "Start no trial after this time, as in 90s, 20m or 1h30m; in Python, seconds.",
            minimum=0,
        ),
    )
    device: Device = field(default="auto", metadata=DEVICE)
    seed: int = field(default=0, metadata=option("Seed of the search.", metavar="N", minimum=0))
    prune_after: int = field(
        default=5,
        metadata=option(
            "Number of finished trials from which on a trial is stopped early if more than half "
            "of them were better at the same epoch.",
            metavar="N",
            minimum=1,
        ),
    )
    keep: Keep = field(
        default="checkpoint",
        metadata=option(
            "Files to keep of each trial: recipe and log, its best checkpoint as well, or all."
        ),
    )
    callback: Callback | None = field(
        default=None, metadata=callback("Methods called as the search proceeds; see `Callback`.")
    )
    progress: bool | None = field(default=None, metadata=PROGRESS)
