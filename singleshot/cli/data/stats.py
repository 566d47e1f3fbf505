"""`singleshot data stats`: counts, sizes, shapes and places of the objects of a data set."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from singleshot.cli.checks import check_data
from singleshot.cli.options import Debug, Json, examples, with_options
from singleshot.cli.output import note, print_json, print_result
from singleshot.inspection.statistics.options import StatisticsOptions

EXAMPLES = examples(
    "singleshot data stats cells",
    "singleshot data stats cells --split train --report cells-stats",
)


@with_options(StatisticsOptions)
def stats(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="Folder or file of annotated images.")
    ],
    *,
    options: StatisticsOptions,
    json: Json = False,
    _debug: Debug = False,
) -> None:
    """Count images and objects, and describe sizes, shapes and places.

    By class and by split; --report writes a page with charts and samples of each class.
    """
    check_data(Path(data), options.split, reading=options.reading)
    import singleshot
    from singleshot.inspection.statistics.tables import format_statistics

    result = singleshot.describe_dataset(data, **vars(replace(options, on_message=note)))
    if options.page is not None:
        note(f"Report: {options.page}")
    document = result.to_json()
    if json:
        print_json(document)
    else:
        print_result(format_statistics(document))
