"""The page of an evaluation: what it shows, and its file report.html."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from markupsafe import Markup

from singleshot.data.dataset import DataSet
from singleshot.data.image_files.decoding import read_image
from singleshot.errors import DataError
from singleshot.evaluation.diagnosis_tables import tables_of
from singleshot.evaluation.evaluate_predictions import diagnose_predictions, truths_of
from singleshot.evaluation.explorer import build_explorer
from singleshot.evaluation.gallery import (
    Crop,
    CropPlan,
    Gallery,
    GalleryPlan,
    choose_galleries,
    choose_suspects,
    cut_crop,
)
from singleshot.evaluation.plots import training_charts
from singleshot.evaluation.recommendations import recommend
from singleshot.files import write_atomically
from singleshot.metrics import DEFAULT_SCORE_THRESHOLD, Predictions, Protocol, Report, Truths
from singleshot.metrics.bootstrap import Comparison
from singleshot.metrics.coco_matching import limit_note
from singleshot.metrics.diagnosis import Diagnosis
from singleshot.metrics.intervals import FEWEST_IMAGES, few_images_note
from singleshot.metrics.miss_rate import FEWEST_IMAGES as FEWEST_FOR_MISS_RATES
from singleshot.metrics.sweep import IOU_THRESHOLDS, ThresholdSweep, sweep
from singleshot.report.images import ExampleImage, make_example
from singleshot.report.page import HERE, content_hash, environment
from singleshot.runs.folder import RunFolder
from singleshot.runs.log import read_log
from singleshot.version import __version__

__all__ = ["IN_WORDS", "EvaluationPage", "ExampleImages", "render_page", "write_evaluation_page"]

# The same images each time, so that two reports on one data set can be laid side by side.
_SEED = 0

TRUE_POSITIVE = (
    "A detection is a true positive when its IoU with the object of its class it overlaps most is "
    "at least {iou_threshold:g} and no detection with a higher score has that object."
)
MEAN = "its mean over the classes is the figure above"
IN_WORDS = {
    Protocol.VOC07: (
        f"PASCAL VOC 2007. {TRUE_POSITIVE} Objects marked difficult do not count. "
        f"Average precision is the mean of the best precisions at the eleven recalls 0, 0.1 … 1; "
        f"{MEAN}."
    ),
    Protocol.VOC10: (
        f"PASCAL VOC 2010. {TRUE_POSITIVE} Objects marked difficult do not count. "
        f"Average precision is the area under the curve of best precision over recall; {MEAN}."
    ),
    Protocol.COCO: (
        "COCO. Average precision is averaged over the ten IoU thresholds 0.50, 0.55 … 0.95, with "
        f"at most 100 detections per image and class; {MEAN}. Crowds do not count. For curves and "
        f"operating points: {TRUE_POSITIVE[0].lower()}{TRUE_POSITIVE[1:]}"
    ),
}


@dataclass(frozen=True)
class ExampleImages:
    """Example images and crops; empty where no image can be read."""

    at_random: Sequence[ExampleImage] = ()
    hardest: Sequence[ExampleImage] = ()
    galleries: Sequence[Gallery] = ()
    suspects: Gallery | None = None


@dataclass(frozen=True)
class EvaluationPage:
    """Contents of the page of one evaluation."""

    title: str
    data: str  # what was measured on, in words
    report: Report
    sweep: Sequence[ThresholdSweep]  # one of them at the IoU threshold of the report
    diagnosis: Diagnosis
    showcase: ExampleImages
    log: Sequence[Mapping[str, Any]]  # lines of log.jsonl
    recipe: str  # resolved, as TOML
    command: str
    version: str
    compared_with: str = ""  # the other predictions of the comparison


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
        predictions: detections in the images of the data set.
        dataset: the images, some of which are read; one that cannot be is left out.
        report: the evaluation of these predictions; its comparison and operating point are shown,
            and its diagnosis, which is made here if it has none.
        model: the folder or file they come from, or any name.
        command: the command that makes this page.
        path: of the page.
        compared_with: the other predictions of the comparison.
    """
    diagnosis = report.diagnosis or diagnose_predictions(predictions, dataset, report)
    iou_thresholds = sorted({*IOU_THRESHOLDS, report.iou_threshold})
    folder = RunFolder(Path(model))
    recipe = folder.recipe.read_text(encoding="utf-8") if folder.recipe.is_file() else ""
    page = EvaluationPage(
        title=Path(model).name,
        data=dataset.description,
        report=report,
        sweep=sweep(
            predictions,
            truths_of(dataset),
            len(dataset.class_names),
            protocol=report.protocol,
            iou_thresholds=iou_thresholds,
        ),
        diagnosis=diagnosis,
        showcase=read_examples(predictions, dataset, diagnosis, iou_thresholds),
        log=read_log(folder.log),
        recipe=recipe,
        command=command,
        version=__version__,
        compared_with=compared_with,
    )
    return write_page(page, path)


def read_examples(
    predictions: Predictions,
    dataset: DataSet,
    diagnosis: Diagnosis,
    iou_thresholds: Sequence[float],
) -> ExampleImages:
    """Read the images to show, each once and one at a time; a broken one is left out."""
    random = torch.Generator().manual_seed(_SEED)
    at_random, hardest = images_to_show(len(dataset), diagnosis, random=random)
    truths = truths_of(dataset)
    galleries = choose_galleries(diagnosis, truths, random=random)
    suspects = choose_suspects(diagnosis, truths)
    plans = [plan for gallery in (*galleries, suspects) for plan in gallery.crops]
    images = {*at_random, *hardest, *(plan.image for plan in plans)}
    examples: dict[int, ExampleImage] = {}
    crops: dict[CropPlan, Crop] = {}
    for image in sorted(images):
        path = str(dataset.paths[image])
        try:
            pixels = read_image(Path(path))
        except DataError:
            continue
        crops |= {plan: cut_crop(plan, pixels, path) for plan in plans if plan.image == image}
        if image in {*at_random, *hardest}:
            examples[image] = make_example(
                path,
                pixels,
                predictions_of_image(predictions, image),
                truths_of_image(dataset, image),
                protocol=diagnosis.protocol,
                iou_thresholds=iou_thresholds,
            )
    return ExampleImages(
        at_random=[examples[image] for image in at_random if image in examples],
        hardest=[examples[image] for image in hardest if image in examples],
        galleries=[fill_gallery(one, crops) for one in galleries],
        suspects=fill_gallery(suspects, crops),
    )


def images_to_show(
    num_images: int, diagnosis: Diagnosis, *, count: int = 12, random: torch.Generator
) -> tuple[list[int], list[int]]:
    """Choose half of the images at random, then the hardest others."""
    at_random = torch.randperm(num_images, generator=random)[: (count + 1) // 2].tolist()
    others = [one.image for one in diagnosis.hardest if one.image not in at_random]
    return at_random, others[: count - len(at_random)]


def predictions_of_image(predictions: Predictions, image: int) -> Predictions:
    """Select the detections in one image, as if there were no other."""
    own = predictions[predictions.images == image]
    return replace(own, images=np.zeros_like(own.images))


def truths_of_image(dataset: DataSet, image: int) -> Truths:
    """Select the annotations of one image as if there were no other, in full precision."""
    start = int(dataset.ends[image - 1]) if image else 0
    own = dataset.truths[start : int(dataset.ends[image])]
    return Truths.of(own, torch.tensor([len(own)]))


def fill_gallery(plan: GalleryPlan, crops: Mapping[CropPlan, Crop]) -> Gallery:
    """Make a gallery of those crops whose images could be read."""
    readable = tuple(crops[crop] for crop in plan.crops if crop in crops)
    return Gallery(plan.title, plan.explanation, plan.total, readable)


def write_page(page: EvaluationPage, path: Path) -> Path:
    """Write one HTML file that needs no other and no network; returns its path."""
    with write_atomically(path) as beside:
        beside.write_text(render_page(page), encoding="utf-8")
    return path


def render_page(page: EvaluationPage) -> str:
    """Fill in the template; all names and paths are escaped."""
    filled = environment()
    script = (HERE / "page.js").read_text(encoding="utf-8")
    report = page.report
    return filled.get_template("page.html").render(
        page=page,
        report=report,
        showcase=page.showcase,
        protocol=IN_WORDS[report.protocol].format(iou_threshold=report.iou_threshold),
        class_names=list(report.per_class),
        metrics=other_metrics(report),
        interval=report.confidence_interval,
        stand_in=DEFAULT_SCORE_THRESHOLD,
        limit_note=limit_note(report.images_over_coco_limit or 0),
        undetected=undetected_classes(report),
        fewest_images=FEWEST_IMAGES,
        few_images_note=report.comparison
        and few_images_note(report.comparison.mean_average_precision.images),
        fewest_for_miss_rates=FEWEST_FOR_MISS_RATES,
        thresholds=report.score_thresholds,
        now=page.sweep[[one.iou_threshold for one in page.sweep].index(report.iou_threshold)],
        explorer=build_explorer(
            page.sweep,
            list(report.per_class),
            iou_threshold=report.iou_threshold,
            num_images=report.images,
        ),
        recommendations=recommend(report, page.diagnosis),
        findings=tables_of(page.diagnosis, num_truths=report.truths),
        training_charts=training_charts(page.log),
        widest=farthest_bound(report.comparison),
        script=Markup(script),
        script_hash=content_hash(script),
    )


# Metrics of a class with a column of their own in parts/classes.html.
OWN_COLUMNS = {
    "truths",
    "average_precision",
    "precision_at_recall",
    "recall_at_precision",
    "best_f1",
}


def other_metrics(report: Report) -> dict[str, list[float | None]]:
    """Collect the values of all further metrics, one for each class, by column title."""
    columns: dict[str, list[float | None]] = {}
    for numbers in report.per_class.values():
        for name, value in numbers.to_json().items():
            if name in OWN_COLUMNS:
                continue
            values = value if isinstance(value, Mapping) else {"": value}
            for key, one in values.items():
                title = f"{name} {key}".replace("_", " ").strip().capitalize()
                columns.setdefault(title, []).append(one)
    return columns


def undetected_classes(report: Report) -> list[str]:
    """List the classes of which no object is detected."""
    return [name for name, one in report.per_class.items() if one.best_f1.f1 == 0]


def farthest_bound(comparison: Comparison | None) -> float:
    """Find the bound of a comparison farthest from 0, to draw intervals to one scale."""
    if comparison is None:
        return 0.0
    intervals = (comparison.mean_average_precision, *comparison.per_class.values())
    bounds = (bound for one in intervals for bound in (one.low, one.high) if bound is not None)
    return max(map(abs, bounds), default=0.0) or 1.0
