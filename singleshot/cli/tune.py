"""`singleshot tune`: a recipe trained with other values, again and again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from singleshot.cli.duration import seconds_in
from singleshot.cli.options import DataSets, Debug, Overrides, Recipe, TrainingSplit, examples
from singleshot.cli.output import note, stops_are_said, told_to_stop
from singleshot.report.text import number

if TYPE_CHECKING:
    from singleshot.tuning.result import Search

EXAMPLES = examples(
    "singleshot tune ssdlite320-lite0 --data cells --trials 2 --run runs/search "
    "--set training.epochs=1",
    "singleshot tune ssdlite320-lite0 --data cells --trials 2 --run runs/rate "
    "--set training.epochs=1 --search training.learning_rate=0.002..0.05:log",
)

NumTrials = Annotated[
    int,
    typer.Option(min=1, metavar="N", help="Trainings in all, those of earlier calls included."),
]
JudgingSplit = Annotated[
    str | None,
    typer.Option(
        metavar="SPLIT",
        help="Images that trials are judged on. Left out: val, else a tenth of the training "
        "images.",
    ),
]
SearchFolder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where the search is written; the same again goes on."),
]
Space = Annotated[
    list[str],
    typer.Option(
        metavar="KEY=VALUES",
        help="What to try: key=low..high, key=low..high:log (in equal ratios) or key=a,b,c; may be "
        "repeated. Left out: nine keys that are worth trying with any recipe.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        parser=seconds_in, metavar="TIME", help="No trial begins after 90s, 20m or 1h30m."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of what is tried.")]
PruneAfter = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="From so many finished trials on, one that is worse than half of them is stopped.",
    ),
]
Keep = Annotated[
    Literal["log", "checkpoint", "all"],
    typer.Option(help="What stays of a trial: recipe and log, its checkpoint as well, or all."),
]


def tune(
    recipe: Recipe,
    data: DataSets,
    *,
    trials: NumTrials,
    split: TrainingSplit = None,
    val_split: JudgingSplit = None,
    run: SearchFolder = None,
    overrides: Overrides = [],  # noqa: B006 (typer's way to say: none)
    search: Space = [],  # noqa: B006
    timeout: Timeout = None,
    seed: Seed = 0,
    prune_after: PruneAfter = 5,
    keep: Keep = "checkpoint",
    _debug: Debug = False,
) -> None:
    """Search for values of a recipe that suit the images.

    Ends in a recipe, and a page that says what mattered. The same command goes on after it was
    stopped; started several times, the processes share the work.
    """
    import singleshot
    from singleshot.cli.progress import training_progress

    with stops_are_said(), training_progress() as callback:
        found = singleshot.tune(
            recipe,
            data,
            trials=trials,
            run=run,
            split=split,
            val_split=val_split,
            overrides=overrides,
            search=search,
            timeout=timeout,
            seed=seed,
            prune_after=prune_after,
            keep=keep,
            callback=callback,
        )
    report(found)
    if found.stopped_by is not None:
        raise told_to_stop(found.stopped_by)


def report(search: "Search") -> None:
    """Where the result is, or how to go on."""
    if not search.complete:
        note(f"Not all trials are done; the same command with --run {search.folder} goes on.")
    if search.best is not None:
        typer.echo(f"recipe: {search.recipe}")
        typer.echo(f"best trial: {search.best.number}")
        typer.echo(f"validation mAP: {number(search.best.score)}")
    typer.echo(f"report: {search.report}")
