"""`singleshot train`: a recipe and annotated images become a run."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from singleshot.cli.checks import check_training
from singleshot.cli.options import Debug, RecipeOrAuto, examples, with_options
from singleshot.cli.output import exit_after_signal, handle_interrupts, note, print_result
from singleshot.report.text import number
from singleshot.training.options import TimeBudget, TrainingOptions

if TYPE_CHECKING:
    from singleshot.training.train import Run

EXAMPLES = examples(
    "singleshot train ssdlite320-lite0 --data cells --run runs/cells",
    "singleshot train --resume runs/cells",
)


@with_options(TrainingOptions)
def train(recipe: RecipeOrAuto, *, options: TrainingOptions, _debug: Debug = False) -> None:
    """Train a detector on annotated images.

    Ctrl-C interrupts cleanly; `singleshot train --resume RUN` resumes from there.
    """
    start = time.monotonic()  # before PyTorch is imported, which takes seconds
    check_training(recipe, options)
    from singleshot.training.processes import is_first_process
    from singleshot.training.train import run_training

    seconds = options.time_budget
    budget = TimeBudget(seconds, start) if isinstance(seconds, float) else seconds
    with handle_interrupts():
        result = run_training(recipe, replace(options, time_budget=budget, progress=True))
    if is_first_process():
        report(result)
    if result.stopped_by is not None:
        raise exit_after_signal(result.stopped_by)


def report(run: "Run") -> None:
    """Print where the result is, or how to resume."""
    if run.interrupted:
        note(
            f"Interrupted after {run.steps} steps; resume with: singleshot train --resume "
            f"{run.folder}"
        )
    print_result(f"run: {run.folder}")
    print_result(f"checkpoint: {run.checkpoint}")
    if run.mean_average_precision is not None:
        print_result(f"validation mAP: {number(run.mean_average_precision)}")
