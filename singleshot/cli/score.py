"""`singleshot score`: how good anyone's detections are, without the detector."""

from pathlib import Path
from typing import Annotated

import typer

from singleshot.cli.evaluate import tell
from singleshot.cli.options import (
    Against,
    Attributes,
    Choose,
    Data,
    Debug,
    Diagnose,
    IouThreshold,
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
        Path,
        typer.Argument(
            metavar="PREDICTIONS",
            help="COCO results JSON, COCO annotations with scores, JSON of `singleshot predict`, "
            "VOC comp4 text, or a folder of such files or of YOLO text with scores.",
        ),
    ],
    data: Data,
    *,
    split: MeasuredSplit = None,
    protocol: Protocol = "coco",
    iou_threshold: IouThreshold = 0.5,
    json: Json = False,
    report: ReportFolder = None,
    diagnose: Diagnose = False,
    attributes: Attributes = None,
    against: Against = None,
    choose: Choose = None,
    _debug: Debug = False,
) -> None:
    """Measure detections that are already there, whoever made them."""
    import singleshot

    result = singleshot.score(
        predictions,
        data,
        split=split,
        protocol=protocol,
        iou_threshold=iou_threshold,
        diagnosis=diagnose,
        attributes=attributes,
        against=against,
        choose=choose,
        on_message=note,
        report=report,
    )
    tell(result, report, json=json)
