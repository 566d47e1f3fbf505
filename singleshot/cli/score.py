"""`singleshot score`: accuracy of detections from a file, without the detector."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from singleshot.cli.checks import check_data
from singleshot.cli.evaluate import print_report
from singleshot.cli.options import Debug, Json, examples, with_options
from singleshot.cli.output import note
from singleshot.evaluation.options import ScoreOptions
from singleshot.files import require_existing

EXAMPLES = examples(
    "singleshot score predictions.json cells",
    "singleshot score predictions.json cells --split test --protocol voc07 --json",
)


@with_options(ScoreOptions)
def score(
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS",
            help="COCO results JSON, COCO annotations with scores, JSON of `singleshot predict`, "
            "VOC comp4 text, or a folder of such files or of YOLO text with scores.",
        ),
    ],
    *,
    options: ScoreOptions,
    json: Json = False,
    _debug: Debug = False,
) -> None:
    """Evaluate detections from a file, whichever tool made them."""
    require_existing(predictions)
    check_data(options.data, options.split)
    import singleshot

    report = singleshot.score(predictions, **vars(replace(options, on_message=note)))
    print_report(report, options.page, json=json)
