"""`singleshot tune`: search for better values of a recipe."""

from dataclasses import replace
from typing import TYPE_CHECKING

from singleshot.cli.checks import check_search
from singleshot.cli.options import Debug, Recipe, examples, with_options
from singleshot.cli.output import exit_after_signal, handle_interrupts, note, print_result
from singleshot.report.text import number
from singleshot.tuning.options import TuningOptions

if TYPE_CHECKING:
    from singleshot.tuning.report import SearchResult

EXAMPLES = examples(
    "singleshot tune ssdlite320-lite0 --data cells --trials 2 --run runs/search "
    "--set training.epochs=1",
    "singleshot tune ssdlite320-lite0 --data cells --trials 2 --run runs/rate "
    "--set training.epochs=1 --search training.learning_rate=0.0005..0.01:log",
)


@with_options(TuningOptions)
def tune(recipe: Recipe, *, options: TuningOptions, _debug: Debug = False) -> None:
    """Search for values of a recipe that suit the images.

    Writes the best values as a recipe, and a page with the importance of each key. The same command
    resumes an interrupted search; started several times, the processes share the work.
    """
    check_search(recipe, options)
    import singleshot

    with handle_interrupts():
        result = singleshot.tune(recipe, **vars(replace(options, progress=True)))
    _print_search(result)
    if result.stopped_by is not None:
        raise exit_after_signal(result.stopped_by)


def _print_search(result: "SearchResult") -> None:
    """Print the paths of the results, or how to resume."""
    if not result.complete:
        note(
            f"Not all trials are done; repeat the same command with --run {result.folder} to "
            f"resume."
        )
    if result.best is not None:
        print_result(f"recipe: {result.recipe}")
        print_result(f"best trial: {result.best.number}")
        print_result(f"validation mAP: {number(result.best.score)}")
    print_result(f"report: {result.report}")
