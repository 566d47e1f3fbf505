"""`singleshot train`: a recipe and annotated images become a run."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from singleshot.cli.duration import seconds_in
from singleshot.cli.options import DataSets, Debug, Overrides, Recipe, TrainingSplit, examples
from singleshot.cli.output import note, stops_are_said, told_to_stop
from singleshot.report.text import number

if TYPE_CHECKING:
    from singleshot.training.train import Run

EXAMPLES = examples(
    "singleshot train ssdlite320-lite0 --data cells --run runs/cells",
    "singleshot train ssdlite320-lite0 --data cells --run runs/cells --resume",
)

ValidationSplit = Annotated[
    str | None,
    typer.Option(
        metavar="SPLIT|none",
        help="Images to validate on. Left out: val, else a tenth of the training images; none: "
        "no validation.",
    ),
]
RunFolder = Annotated[Path | None, typer.Option(metavar="DIR", help="Where the run is written.")]
Init = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Start from this detector: a run folder, a checkpoint, or a file that models import "
        "reads. Class outputs are carried over by class name.",
    ),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Learn from this larger detector, too: a run folder, a checkpoint, or a file that "
        "models import reads. Its classes go by name.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where this run was stopped.")]
Budget = Annotated[
    float | None,
    typer.Option(
        parser=seconds_in,
        metavar="TIME",
        help="Fit everything into this wall time, as in 90s, 20m or 1h30m: steps, validations and "
        "the report.",
    ),
]
Profile = Annotated[
    bool,
    typer.Option(
        "--profile", help="Say where the time of a step goes; profile.txt in the run has it."
    ),
]
SelfTest = Annotated[
    bool,
    typer.Option(
        "--self-test",
        help="Before the run, see that one batch is learned by heart and that the annotations "
        "score 1 as predictions.",
    ),
]
Track = Annotated[
    Literal["mlflow"] | None,
    typer.Option(
        help="Keep a record in MLflow, too: in MLFLOW_TRACKING_URI, else in the folder mlruns."
    ),
]


def train(
    recipe: Recipe,
    data: DataSets,
    *,
    split: TrainingSplit = None,
    val_split: ValidationSplit = None,
    run: RunFolder = None,
    init: Init = None,
    teacher: Teacher = None,
    overrides: Overrides = [],  # noqa: B006 (typer's way to say: none)
    resume: Resume = False,
    time_budget: Budget = None,
    profile: Profile = False,
    self_test: SelfTest = False,
    track: Track = None,
    _debug: Debug = False,
) -> None:
    """Train a detector on annotated images.

    Ctrl-C stops cleanly, and --resume goes on from there.
    """
    start = time.monotonic()  # before PyTorch is imported, which takes seconds
    import singleshot
    from singleshot.cli.progress import training_progress
    from singleshot.training.budget import TimeBudget
    from singleshot.training.processes import is_first_process

    with stops_are_said(), training_progress() as callback:
        result = singleshot.train(
            recipe,
            data,
            run=run,
            split=split,
            val_split=val_split,
            init=init,
            teacher=teacher,
            overrides=overrides,
            resume=resume,
            time_budget=None if time_budget is None else TimeBudget(time_budget, start),
            profile=profile,
            self_test=self_test,
            track=track,
            callback=callback,
        )
    if is_first_process():
        report(result)
    if result.stopped_by is not None:
        raise told_to_stop(result.stopped_by)


def report(run: "Run") -> None:
    """Where the result is, or how to go on."""
    if run.interrupted:
        note(
            f"Stopped after {run.steps} steps; the same command with --run {run.folder} --resume "
            f"goes on."
        )
    typer.echo(f"run: {run.folder}")
    typer.echo(f"checkpoint: {run.checkpoint}")
    if run.mean_average_precision is not None:
        typer.echo(f"validation mAP: {number(run.mean_average_precision)}")
