"""`singleshot predict`: labelled boxes for images, as text, JSON or drawings."""

from typing import TYPE_CHECKING

import typer

from singleshot.cli.checks import check_models
from singleshot.cli.options import Debug, Json, Model, examples, with_options
from singleshot.cli.output import note, print_json, print_result
from singleshot.errors import DataError, RunFailed
from singleshot.prediction.options import PredictionOptions
from singleshot.report.text import table

if TYPE_CHECKING:
    from singleshot.prediction.result import Result

EXAMPLES = examples(
    "singleshot predict runs/cells cells/JPEGImages --draw drawn",
    "singleshot predict runs/cells 'cells/JPEGImages/*.jpg' --score-threshold 0.5 --json",
)


def check_model(model: str, **_others: object) -> None:
    """Raise ModelError for what is no run or checkpoint."""
    check_models(model)


@with_options(PredictionOptions, check=check_model)  # before images are looked for
def predict(
    model: Model,
    *,
    options: PredictionOptions,
    json: Json = False,
    _debug: Debug = False,
) -> None:
    """Detect objects in images.

    Boxes (x1, y1, x2, y2) in pixels, labels and scores, best first. An image that cannot be read
    is left out and named at the end, with exit code 1.
    """
    from singleshot.models.predict import run_prediction

    broken: list[DataError] = []
    callbacks = {
        "on_message": note,
        "on_result": None if json else print_prediction,
        "on_broken": broken.append,
    }
    results = run_prediction(model, options.with_callbacks(**callbacks))
    if broken and not results:
        raise DataError("\n".join(map(str, broken)))
    if json:
        print_json([result.to_dict() for result in results])
    if options.draw:
        note(f"Drawings: {options.draw}")
    if broken:
        reasons = "\n  ".join(map(str, broken))
        raise RunFailed(
            f"{len(broken)} of {len(options.images)} images could not be read; the others are "
            f"done\n  {reasons}"
        )


def print_prediction(result: "Result") -> None:
    """Print the size of an image, then a line for each object."""
    image = typer.format_filename(str(result.path))
    print_result(f"{image} ({result.width} x {result.height}): {len(result.detections)} found")
    if not len(result.detections):
        return
    rows = [
        [f"  {name}", f"{score:.2f}", *(f"{corner:.1f}" for corner in box)]
        for name, score, box in zip(
            result.names, result.scores.tolist(), result.boxes.tolist(), strict=True
        )
    ]
    print_result(table(["  label", "score", "x1", "y1", "x2", "y2"], rows))
