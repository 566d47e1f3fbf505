"""`singleshot predict`: labelled boxes for images and videos, as text, JSON or drawings."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from singleshot.cli.checks import check_models
from singleshot.cli.options import Debug, Json, Model, examples, with_options
from singleshot.cli.output import exit_after_signal, note, print_result, printing_json_list
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
    """Detect objects in images, videos, cameras and streams.

    Boxes (x1, y1, x2, y2) in pixels, labels and scores, best first. Every frame of a video file is
    read; of a camera or stream the newest one, until Ctrl-C, after which all that was written is
    whole. What cannot be read is left out and named at the end, with exit code 1.
    """
    from singleshot.models.predict import run_prediction
    from singleshot.training.interrupt import graceful_interrupts

    broken: list[DataError] = []
    num_results = 0
    with _printing(json) as show, graceful_interrupts() as interrupt:
        callbacks = {
            "on_message": note,
            "on_broken": broken.append,
            "should_stop": lambda: interrupt.stop,
        }
        for result in run_prediction(model, options.with_callbacks(**callbacks)):
            show(result)
            num_results += 1
        if broken and not num_results:
            raise DataError("\n".join(map(str, broken)))
    if options.draw:
        note(f"Drawings: {options.draw}")
    if broken:
        reasons = "\n  ".join(map(str, broken))
        kind = "images and videos" if options.has_videos else "images"
        raise RunFailed(
            f"{len(broken)} of {len(options.sources)} {kind} could not be read; the others are "
            f"done\n  {reasons}"
        )
    if interrupt.signal is not None and not options.is_live:
        raise exit_after_signal(interrupt.signal)


@contextmanager
def _printing(json: bool) -> Iterator[Callable[["Result"], None]]:
    """Yield the function that prints a result: as text, or as an entry of a JSON list."""
    if not json:
        yield print_prediction
        return
    with printing_json_list() as print_entry:
        yield lambda result: print_entry(result.to_dict())


def print_prediction(result: "Result") -> None:
    """Print the size of an image, then a line for each object; for a frame one line."""
    if result.frame is not None:
        print_frame(result)
        return
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


def print_frame(result: "Result") -> None:
    """Print the time of a frame, and how many objects of each class are in it."""
    labels = Counter(sorted(result.labels.tolist()))
    counts = ", ".join(f"{count} {result.class_names[label]}" for label, count in labels.items())
    video = typer.format_filename(str(result.video))
    print_result(f"{video} frame {result.frame} at {result.time:.3f} s: {counts or 'nothing'}")
