"""From an evaluation to the page that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from singleshot.data.dataset import DataSet
from singleshot.data.images import read_image
from singleshot.errors import DataError
from singleshot.evaluation.evaluate_predictions import diagnose_predictions, truths_of
from singleshot.evaluation.gallery import (
    Crop,
    Gallery,
    Place,
    Wanted,
    choose_galleries,
    choose_suspects,
    crop,
)
from singleshot.evaluation.page import Page, Showcase, write_report
from singleshot.metrics import Predictions, Report, Truths
from singleshot.metrics.diagnosis import Diagnosis
from singleshot.metrics.sweep import IOU_THRESHOLDS, Swept, sweep
from singleshot.report.images import Exhibit, exhibit
from singleshot.runs.folder import RunFolder
from singleshot.runs.log import read_log
from singleshot.version import __version__

__all__ = ["write_evaluation_page"]

# The same images each time, so that two reports on one data set can be laid side by side.
SEED = 0


def write_evaluation_page(
    predictions: Predictions,
    dataset: DataSet,
    *,
    report: Report,
    model: str,
    command: str,
    path: Path,
    compared_with: str = "",
) -> Path:
    """Write one self-contained page; of a run it also shows the training and the recipe.

    Args:
        predictions: what was found in the images of the data set.
        dataset: the images, some of which are read; one that cannot be is left out.
        report: the judgement of these predictions; a comparison or an operating point in it is
            shown, and its diagnosis, which is made here where it has none.
        model: the folder or file they come from, or any name.
        command: how to get this page again.
        path: of the page.
        compared_with: whose predictions the comparison is with.
    """
    diagnosis = report.diagnosis or diagnose_predictions(predictions, dataset, report)
    iou_thresholds = sorted({*IOU_THRESHOLDS, report.iou_threshold})
    folder = RunFolder(Path(model))
    recipe = folder.recipe.read_text(encoding="utf-8") if folder.recipe.is_file() else ""
    page = Page(
        title=Path(model).name,
        data=dataset.description,
        report=report,
        sweep=swept(predictions, dataset, report, iou_thresholds),
        diagnosis=diagnosis,
        showcase=show_images(predictions, dataset, diagnosis, iou_thresholds),
        log=read_log(folder.log),
        recipe=recipe,
        command=command,
        version=__version__,
        compared_with=compared_with,
    )
    return write_report(page, path)


def swept(
    predictions: Predictions, dataset: DataSet, report: Report, iou_thresholds: Sequence[float]
) -> list[Swept]:
    """What the sliders of the page run over."""
    return sweep(
        predictions,
        truths_of(dataset),
        len(dataset.class_names),
        protocol=report.protocol,
        iou_thresholds=iou_thresholds,
    )


def show_images(
    predictions: Predictions,
    dataset: DataSet,
    diagnosis: Diagnosis,
    iou_thresholds: Sequence[float],
) -> Showcase:
    """Read the images worth seeing, each once and one at a time; a broken one is left out."""
    random = torch.Generator().manual_seed(SEED)
    at_random, hardest = images_to_show(len(dataset), diagnosis, random=random)
    truths = truths_of(dataset)
    galleries = choose_galleries(diagnosis, truths, random=random)
    suspects = choose_suspects(diagnosis, truths)
    places = [place for wanted in (*galleries, suspects) for place in wanted.places]
    images = {*at_random, *hardest, *(place.image for place in places)}
    exhibits: dict[int, Exhibit] = {}
    crops: dict[Place, Crop] = {}
    for image in sorted(images):
        path = str(dataset.paths[image])
        try:
            pixels = read_image(Path(path))
        except DataError:
            continue
        crops |= {place: crop(place, pixels, path) for place in places if place.image == image}
        if image in {*at_random, *hardest}:
            exhibits[image] = exhibit(
                path,
                pixels,
                of_image(predictions, image),
                truths_of_image(dataset, image),
                protocol=diagnosis.protocol,
                iou_thresholds=iou_thresholds,
            )
    return Showcase(
        at_random=[exhibits[image] for image in at_random if image in exhibits],
        hardest=[exhibits[image] for image in hardest if image in exhibits],
        galleries=[hung(wanted, crops) for wanted in galleries],
        suspects=hung(suspects, crops),
    )


def images_to_show(
    num_images: int, diagnosis: Diagnosis, *, count: int = 12, random: torch.Generator
) -> tuple[list[int], list[int]]:
    """Half at random, because they show what to expect; then the hardest others."""
    at_random = torch.randperm(num_images, generator=random)[: (count + 1) // 2].tolist()
    others = [one.image for one in diagnosis.hardest if one.image not in at_random]
    return at_random, others[: count - len(at_random)]


def of_image(predictions: Predictions, image: int) -> Predictions:
    """The detections in one image, as if there were no other."""
    own = predictions[predictions.images == image]
    return replace(own, images=np.zeros_like(own.images))


def truths_of_image(dataset: DataSet, image: int) -> Truths:
    """The annotations of one image as if there were no other, in full precision."""
    start = int(dataset.ends[image - 1]) if image else 0
    own = dataset.truths[start : int(dataset.ends[image])]
    return Truths.of(own, torch.tensor([len(own)]))


def hung(wanted: Wanted, crops: Mapping[Place, Crop]) -> Gallery:
    """A gallery of those places whose images could be read."""
    found = tuple(crops[place] for place in wanted.places if place in crops)
    return Gallery(wanted.title, wanted.explanation, wanted.total, found)
