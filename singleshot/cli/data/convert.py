"""`singleshot data convert`: annotated images in another format."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from singleshot.cli.checks import check_data
from singleshot.cli.options import Debug, Json, examples, with_options
from singleshot.cli.output import note, print_json, print_result
from singleshot.data.converting import ConvertOptions
from singleshot.files import require_empty_folder

EXAMPLES = examples(
    "singleshot data convert cells --to yolo cells-yolo",
    "singleshot data convert cells --to coco cells-test --split test",
)


@with_options(ConvertOptions)
def convert(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Folder or file of annotated images.")
    ],
    *,
    options: ConvertOptions,
    json: Json = False,
    _debug: Debug = False,
) -> None:
    """Write annotated images in another format.

    Splits are kept and images copied. What the format has no place for, such as difficult objects,
    is printed.
    """
    require_empty_folder(Path(options.output))
    check_data(data, options.split, reading=options.reading)
    import singleshot

    converted = singleshot.convert_dataset(data, **vars(replace(options, on_message=note)))
    if json:
        print_json(converted.to_json())
    else:
        print_result(str(converted))
