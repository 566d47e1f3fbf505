"""`singleshot evaluate`: how good a detector is, class by class."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from singleshot.cli.options import (
    Data,
    Debug,
    Json,
    MeasuredSplit,
    Model,
    Protocol,
    ReportFolder,
    examples,
)
from singleshot.cli.output import note, number, print_json, table

if TYPE_CHECKING:
    from singleshot.metrics import Report

EXAMPLES = examples(
    "singleshot evaluate runs/cells cells",
    "singleshot evaluate runs/cells cells --split test --protocol voc07 --json",
)


def evaluate(
    model: Model,
    data: Data,
    *,
    split: MeasuredSplit = None,
    protocol: Protocol = "coco",
    json: Json = False,
    save_predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep the detections, as COCO results JSON."),
    ] = None,
    report: ReportFolder = None,
    _debug: Debug = False,
) -> None:
    """Measure a detector on annotated pictures.

    Average precision, precision at fixed recall, recall at fixed precision and the best F1 score
    of every class.
    """
    from singleshot import api
    from singleshot.cli.progress import picture_progress

    with picture_progress() as progress:
        result = api.evaluate(
            model,
            data,
            split=split,
            protocol=protocol,
            progress=progress,
            say=note,
            save_predictions_to=save_predictions,
            report=report,
        )
    tell(result, report, json=json)


def tell(result: "Report", report: Path | None, *, json: bool) -> None:
    """Print an evaluation as JSON or for a person, and where its page is."""
    if report is not None:
        note(f"Report: {report / 'report.html'}")
    document = result.to_json()
    if json:
        print_json(document)
    else:
        typer.echo(summary(document))


def summary(document: Mapping[str, Any]) -> str:
    """The evaluation for a person: the whole first, then every class."""
    counts = (
        f"protocol {document['protocol']}: {document['images']} images, "
        f"{document['truths']} truths, {document['detections']} detections"
    )
    mean = f"mean average precision: {number(document['mean_average_precision'])}"
    coco = document.get("coco")
    parts = [f"{counts}\n{mean}", coco_line(coco) if coco else None, class_table(document)]
    return "\n\n".join(part for part in parts if part)


def coco_line(numbers: Mapping[str, float | None]) -> str:
    """COCO's twelve numbers, as their own small table."""
    return table(["COCO", *numbers], [["", *map(number, numbers.values())]])


def class_table(document: Mapping[str, Any]) -> str:
    """One line a class: AP, precision at recall, recall at precision, best F1."""
    per_class = document["per_class"]
    if not per_class:
        return ""
    first = next(iter(per_class.values()))
    header = [
        "class",
        "truths",
        "AP",
        *(f"P@R{recall}" for recall in first["precision_at_recall"]),
        *(f"R@P{precision}" for precision in first["recall_at_precision"]),
        "best F1",
        "at score",
    ]
    return table(header, [class_row(name, found) for name, found in per_class.items()])


def class_row(name: str, found: Mapping[str, Any]) -> list[str]:
    """The cells of one class."""
    return [
        name,
        str(found["truths"]),
        number(found["average_precision"]),
        *map(number, found["precision_at_recall"].values()),
        *map(number, found["recall_at_precision"].values()),
        number(found["best_f1"]["f1"]),
        number(found["best_f1"]["score_threshold"]),
    ]
