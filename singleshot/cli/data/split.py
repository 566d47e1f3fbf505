"""`singleshot data split`: cut a data set into parts, stratified and grouped."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from singleshot.cli.checks import check_data
from singleshot.cli.options import Debug, Json, examples, with_options
from singleshot.cli.output import note, print_json, print_result
from singleshot.inspection.splitting.options import SplitOptions

EXAMPLES = examples(
    "singleshot data split cells cells-split",
    "singleshot data split cells cells-small --number 40 --fractions train=0.8,val=0.2",
)


@with_options(SplitOptions)
def split(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="Folder or file of annotated images.")
    ],
    *,
    options: SplitOptions,
    json: Json = False,
    _debug: Debug = False,
) -> None:
    """Split a data set into training, validation and test images.

    Every part has its share of each class, and images that belong together stay together. Writes a
    new data set in the format of the original, which stays as it is.
    """
    check_data(Path(data), options.split, reading=options.reading)
    import singleshot
    from singleshot.inspection.splitting.tables import format_split

    options = replace(options, on_message=note, progress=True)
    document = singleshot.split_dataset(data, **vars(options)).to_json()
    if json:
        print_json(document)
    else:
        print_result(format_split(document))
