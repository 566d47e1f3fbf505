"""`singleshot data preview`: images of what training sees."""

from dataclasses import replace

from singleshot.cli.checks import check_data, check_models, check_recipe
from singleshot.cli.options import Debug, Json, Recipe, examples, with_options
from singleshot.cli.output import note, print_json, print_result
from singleshot.inspection.preview.options import PreviewOptions
from singleshot.inspection.preview.tables import format_preview

EXAMPLES = examples(
    "singleshot data preview ssdlite320-lite0 cells preview",
    "singleshot data preview runs/cells/recipe.toml cells preview --with runs/cells --report",
)


@with_options(PreviewOptions)
def preview(
    recipe: Recipe, *, options: PreviewOptions, json: Json = False, _debug: Debug = False
) -> None:
    """Draw what training sees.

    Augmented samples with their boxes, the priors that are trained on each object, level by level,
    and the hard negatives of a trained model.
    """
    check_recipe(recipe, options.overrides)
    check_data(options.data, options.split, reading=options.reading)
    if options.with_model is not None:
        check_models(options.with_model)
    import singleshot

    options = replace(options, on_message=note)
    result = singleshot.preview_data(recipe, **vars(options))
    if result.page is not None:
        note(f"Report: {result.page}")
    document = result.to_json()
    if json:
        print_json(document)
    else:
        print_result(format_preview(document))
