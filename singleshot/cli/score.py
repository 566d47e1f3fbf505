"""`singleshot score`: how good anyone's detections are, without the detector."""

from pathlib import Path
from typing import Annotated

import typer

from singleshot.cli.evaluate import tell
from singleshot.cli.options import (
    Data,
    Debug,
    Json,
    MeasuredSplit,
    Protocol,
    ReportFolder,
    examples,
)
from singleshot.cli.output import note

EXAMPLES = examples(
    "singleshot score predictions.json cells",
    "singleshot score predictions.json cells --split test --protocol voc07 --json",
)


def score(
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS", help="A file of COCO results JSON.")
    ],
    data: Data,
    *,
    split: MeasuredSplit = None,
    protocol: Protocol = "coco",
    json: Json = False,
    report: ReportFolder = None,
    _debug: Debug = False,
) -> None:
    """Measure detections that are already there, whoever made them."""
    from singleshot import api

    result = api.score(predictions, data, split=split, protocol=protocol, say=note, report=report)
    tell(result, report, json=json)
