"""`singleshot data check`: find what would spoil a training, and fix a copy."""

from dataclasses import replace
from typing import Annotated

import typer

from singleshot.cli.checks import check_data, check_models
from singleshot.cli.options import Debug, Json, examples, with_options
from singleshot.cli.output import note, print_json, print_result
from singleshot.inspection.check.options import CheckOptions

__all__ = ["EXAMPLES", "check"]

EXAMPLES = examples(
    "singleshot data check cells",
    "singleshot data check cells --fix cells-fixed --report checked",
)


@with_options(CheckOptions)
def check(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Folder of annotated images, or a file of annotations, with or without images.",
        ),
    ],
    *,
    options: CheckOptions,
    json: Json = False,
    _debug: Debug = False,
) -> None:
    """Check a data set for what would spoil a training.

    Damaged and duplicate images, boxes that cannot be right, classes, sizes, splits that overlap:
    each with its place, what it does and what to do about it. Exits with 1 if something would stop
    or spoil a training.
    """
    check_data(data, options.split, reading=options.reading)
    if options.model is not None:
        check_models(options.model)
    import singleshot
    from singleshot.inspection.check.text import format_check

    result = singleshot.check_dataset(
        data, **vars(replace(options, progress=True, on_message=note))
    )
    if options.page is not None:
        note(f"Report: {options.page}")
    document = result.to_json()
    if json:
        print_json(document)
    else:
        print_result(format_check(document))
    if result.spoils_training:
        raise typer.Exit(1)
