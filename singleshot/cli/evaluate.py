"""`singleshot evaluate`: accuracy of a detector, class by class."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from singleshot.cli.checks import check_data, check_models
from singleshot.cli.options import Debug, Json, Model, examples, with_options
from singleshot.cli.output import note, print_json, print_result
from singleshot.cli.report_tables import format_report
from singleshot.errors import SingleshotError
from singleshot.evaluation.options import EvaluationOptions

if TYPE_CHECKING:
    from singleshot.metrics import Report

EXAMPLES = examples(
    "singleshot evaluate runs/cells cells",
    "singleshot evaluate runs/cells cells --split val --threshold-rule precision=0.95 "
    "--report report",
)


@with_options(EvaluationOptions)
def evaluate(
    model: Model,
    *,
    options: EvaluationOptions,
    json: Json = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="K/N",
            help="Only save the detections in the K-th of N shares of the images; `score` "
            "evaluates a folder of all shares.",
        ),
    ] = None,
    _debug: Debug = False,
) -> None:
    """Evaluate a detector on annotated images.

    Average precision, precision at fixed recall, recall at fixed precision and the best F1 score
    of every class.
    """
    check_models(model)
    # The images that a training set aside are a split of the run, not of the data.
    check_data(
        options.data,
        None if options.split == "set-aside" else options.split,
        reading=options.reading,
    )
    if shard is not None:
        save_shard(model, options, parse_shard(shard), json=json)
        return
    import singleshot

    options = replace(options, progress=True, on_message=note)
    report = singleshot.evaluate(model, **vars(options))
    print_report(report, options.page, json=json)


def save_shard(
    model: str, options: EvaluationOptions, shard: tuple[int, int], *, json: bool
) -> None:
    """Save the detections in one share of the images; SingleshotError for options about all."""
    if options.save_predictions is None:
        raise SingleshotError("--shard needs a file for its detections: --save-predictions FILE")
    about_all = (options.report, options.attributes, options.against, options.threshold_rule)
    if json or options.diagnose or any(about_all):
        raise SingleshotError(
            "--shard only saves its share of the detections; run `score` on all of them"
        )
    import singleshot

    singleshot.detect_shard(
        model,
        options.data,
        shard=shard,
        save_predictions=options.save_predictions,
        split=options.split,
        device=options.device,
        tile=options.tile,
        tile_overlap=options.tile_overlap,
        reading=options.reading,
        progress=True,
        on_message=note,
    )
    note(f"Share {shard[0]} of {shard[1]}: {options.save_predictions}")


def parse_shard(text: str) -> tuple[int, int]:
    """Parse `2/4`; SingleshotError for anything else."""
    number, _, num_shards = text.partition("/")
    if not (number.isdecimal() and num_shards.isdecimal()):
        raise SingleshotError(f"--shard {text}: expected a share such as 1/4, the first of four")
    return int(number), int(num_shards)


def print_report(report: "Report", page: Path | None, *, json: bool) -> None:
    """Print an evaluation as JSON or as tables, and the path of its page."""
    if page is not None:
        note(f"Report: {page}")
    document = report.to_json()
    if json:
        print_json(document)
    else:
        print_result(format_report(document))
