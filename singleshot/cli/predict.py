"""`singleshot predict`: labelled boxes for images, as text, JSON or drawings."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from singleshot.cli.options import Debug, Json, Model, examples
from singleshot.cli.output import note, print_json
from singleshot.cli.sources import drawing_paths, find_images
from singleshot.report.text import table

if TYPE_CHECKING:
    from singleshot.structures import Detections, Detector

EXAMPLES = examples(
    "singleshot predict runs/cells cells/JPEGImages --draw drawn",
    "singleshot predict runs/cells 'cells/JPEGImages/*.jpg' --score-threshold 0.5 --json",
)


def predict(
    model: Model,
    source: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="Images, folders of images, or patterns."),
    ],
    *,
    score_threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="T",
            help="Lowest score of a detection. Default: what `evaluate --threshold-rule` chose for "
            "each class of the run, else 0.3.",
        ),
    ] = None,
    draw: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write every image with its boxes into this folder."),
    ] = None,
    json: Json = False,
    _debug: Debug = False,
) -> None:
    """Find objects in images.

    Boxes (x1, y1, x2, y2) in pixels, labels and scores, best first.
    """
    images = find_images(source)
    drawings = drawing_paths(images, draw) if draw else None

    import singleshot

    keep = keeper(model, score_threshold)
    detector = singleshot.load(model)
    documents = predictions(detector, images, drawings, keep)
    if json:
        print_json(list(documents))
    else:
        for document in documents:
            typer.echo(listing(document))
    if draw:
        note(f"Drawings: {draw}")


def keeper(model: str, score_threshold: float | None) -> "Callable[[Detections], Detections]":
    """What to keep: from the score asked for, else what was chosen for the run, else from 0.3."""
    import singleshot
    from singleshot.metrics import DEFAULT_SCORE_THRESHOLD

    chosen = singleshot.operating_point(model, on_message=note) if score_threshold is None else None
    if chosen is not None:
        return chosen.keep
    least = DEFAULT_SCORE_THRESHOLD if score_threshold is None else score_threshold
    return lambda found: found[found.scores >= least]


def predictions(
    detector: "Detector",
    images: Sequence[Path],
    drawings: Sequence[Path] | None,
    keep: "Callable[[Detections], Detections]",
) -> Iterator[dict[str, Any]]:
    """What is found in each image; its drawing is written on the way."""
    from singleshot.data.images import read_image
    from singleshot.drawing import draw_boxes, save_image

    for index, path in enumerate(images):
        image = read_image(path)
        found = keep(detector.detect([image])[0])
        if drawings is not None:
            drawings[index].parent.mkdir(parents=True, exist_ok=True)
            save_image(draw_boxes(image, found, detector.class_names), drawings[index])
        height, width = image.shape[-2:]
        yield {
            "image": str(path),
            "width": width,
            "height": height,
            "detections": described(found, detector.class_names),
        }


def described(found: "Detections", class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Detections in plain numbers and names."""
    rows = zip(found.boxes.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True)
    return [{"box": box, "label": class_names[label], "score": score} for box, label, score in rows]


def listing(document: dict[str, Any]) -> str:
    """One image for a person: its size, then a line for each object."""
    found = document["detections"]
    image = typer.format_filename(document["image"])
    headline = f"{image} ({document['width']} x {document['height']}): {len(found)} found"
    if not found:
        return headline
    header = ["  label", "score", "x1", "y1", "x2", "y2"]
    return f"{headline}\n{table(header, [listing_row(detection) for detection in found])}"


def listing_row(detection: dict[str, Any]) -> list[str]:
    """The cells of one object."""
    corners = [f"{corner:.1f}" for corner in detection["box"]]
    return [f"  {detection['label']}", f"{detection['score']:.2f}", *corners]
