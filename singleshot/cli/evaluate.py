"""`singleshot evaluate`: how good a detector is, class by class."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    Model,
    Protocol,
    ReportFolder,
    examples,
)
from singleshot.cli.output import note, print_json
from singleshot.cli.summary import summary
from singleshot.errors import SingleshotError

if TYPE_CHECKING:
    from singleshot.metrics import Report

EXAMPLES = examples(
    "singleshot evaluate runs/cells cells",
    "singleshot evaluate runs/cells cells --split val --choose precision=0.95 --report report",
)


def evaluate(
    model: Model,
    data: Data,
    *,
    split: MeasuredSplit = None,
    protocol: Protocol = "coco",
    iou_threshold: IouThreshold = 0.5,
    json: Json = False,
    save_predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep the detections, as COCO results JSON."),
    ] = None,
    report: ReportFolder = None,
    diagnose: Diagnose = False,
    attributes: Attributes = None,
    against: Against = None,
    choose: Choose = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="K/N",
            help="Only save the detections in the K-th of N shares of the images; `score` judges "
            "a folder of all shares.",
        ),
    ] = None,
    _debug: Debug = False,
) -> None:
    """Measure a detector on annotated images.

    Average precision, precision at fixed recall, recall at fixed precision and the best F1 score
    of every class.
    """
    import singleshot
    from singleshot.cli.progress import image_progress

    if shard is not None:
        if save_predictions is None:
            raise SingleshotError("--shard saves its share: say where with --save-predictions")
        if json or diagnose or any((report, attributes, against, choose)):
            raise SingleshotError(
                "--shard only saves its share of the detections; ask `score` about all of them"
            )
        number, num_shards = shard_numbers(shard)
        with image_progress() as progress:
            singleshot.detect_shard(
                model,
                data,
                shard=number,
                num_shards=num_shards,
                save_predictions_to=save_predictions,
                split=split,
                progress=progress,
                on_message=note,
            )
        note(f"Share {number} of {num_shards}: {save_predictions}")
        return
    with image_progress() as progress:
        result = singleshot.evaluate(
            model,
            data,
            split=split,
            protocol=protocol,
            iou_threshold=iou_threshold,
            diagnosis=diagnose,
            attributes=attributes,
            against=against,
            choose=choose,
            progress=progress,
            on_message=note,
            save_predictions_to=save_predictions,
            report=report,
        )
    tell(result, report, json=json)


def shard_numbers(text: str) -> tuple[int, int]:
    """`2/4` as numbers."""
    number, _, num_shards = text.partition("/")
    if not (number.isdecimal() and num_shards.isdecimal()):
        raise SingleshotError(f"--shard {text}: expected a share such as 1/4, the first of four")
    return int(number), int(num_shards)


def tell(result: "Report", report: Path | None, *, json: bool) -> None:
    """Print an evaluation as JSON or for a person, and where its page is."""
    if report is not None:
        note(f"Report: {report / 'report.html'}")
    document = result.to_json()
    if json:
        print_json(document)
    else:
        typer.echo(summary(document))
