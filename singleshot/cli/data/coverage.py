"""`singleshot data coverage`: how well a recipe's priors cover the objects of a data set."""

from dataclasses import replace

from singleshot.cli.checks import check_data, check_recipe
from singleshot.cli.options import Debug, Json, Recipe, examples, with_options
from singleshot.cli.output import note, print_json, print_result
from singleshot.inspection.coverage.options import CoverageOptions
from singleshot.inspection.coverage.tables import format_coverage

EXAMPLES = examples(
    "singleshot data coverage ssdlite320-lite0 cells",
    "singleshot data coverage ssdlite320-lite0 cells --fit cells.toml --report coverage",
)


@with_options(CoverageOptions)
def coverage(
    recipe: Recipe, *, options: CoverageOptions, json: Json = False, _debug: Debug = False
) -> None:
    """Measure how well a recipe's priors cover the objects.

    The best IoU of any prior with each object after resizing, by class, size and level; --fit
    writes a recipe with priors that fit the objects.
    """
    check_recipe(recipe, options.overrides)
    check_data(options.data, options.split, reading=options.reading)
    import singleshot

    options = replace(options, on_message=note)
    result = singleshot.measure_coverage(recipe, **vars(options))
    if options.page is not None:
        note(f"Report: {options.page}")
    document = result.to_json()
    if json:
        print_json(document)
    else:
        print_result(format_coverage(document))
