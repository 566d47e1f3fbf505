"""The page of a coverage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from singleshot.data.dataset import DataSet
from singleshot.data.image_files.decoding import read_image
from singleshot.evaluation.gallery import Crop, CropPlan, Gallery, Outline, cut_crop
from singleshot.files import write_atomically
from singleshot.inspection.coverage.plots import (
    histogram_panel,
    level_figure,
    size_limits,
    size_panel,
)
from singleshot.inspection.coverage.result import CoverageResult, Measured
from singleshot.report.images import round_box
from singleshot.report.page import environment

__all__ = ["CoveragePage", "write_coverage_page"]

MOST_CROPS = 12
MOST_OF_AN_IMAGE = 2  # crops: one crowded image would fill the gallery


@dataclass(frozen=True)
class CoveragePage:
    """Content of a page."""

    result: CoverageResult
    measured: Measured
    fitted: Measured | None
    command: str
    version: str


def write_coverage_page(
    page: CoveragePage, dataset: DataSet, sizes: Int[np.ndarray, "images 2"], path: Path
) -> Path:
    """Write one HTML file that needs no other and no network.

    `sizes` are the (height, width) of the images, of which some are read for crops.
    """
    gallery = _worst_covered(page, dataset, sizes)
    with write_atomically(path) as partial:
        partial.write_text(_render(page, gallery), encoding="utf-8")
    return path


def _render(page: CoveragePage, gallery: Gallery) -> str:
    """Fill in the template; everything from outside is escaped."""
    measured, fitted, fit = page.measured, page.fitted, page.result.fit
    several = [measured] if fitted is None else [measured, fitted]
    limits = size_limits(several)
    titles = ("The recipe’s priors", "Fitted priors")
    after = None if fit is None else fit.coverage
    return (
        environment(Path(__file__).parent)
        .get_template("coverage.html")
        .render(
            page=page,
            result=page.result,
            coverage=page.result.coverage,
            fit=fit,
            after=after,
            histogram=histogram_panel(
                page.result.coverage.histogram, None if after is None else after.histogram
            ),
            sizes=[
                size_panel(title, one, limits) for title, one in zip(titles, several, strict=False)
            ],
            levels=[
                [(level, level_figure(level)) for level in one.coverage.levels] for one in several
            ],
            titles=titles,
            gallery=gallery,
        )
    )


def _worst_covered(
    page: CoveragePage, dataset: DataSet, sizes: Int[np.ndarray, "images 2"]
) -> Gallery:
    """Cut out the objects whose best IoU is lowest, with the best prior of each."""
    crops = []
    for index in _choose_worst(page.measured):
        image = int(page.measured.objects.images[index])
        path = str(dataset.paths[image])
        crops.append(cut_crop(_plan(page, index, sizes[image]), read_image(Path(path)), path))
    return _gallery(page, crops)


def _gallery(page: CoveragePage, crops: list[Crop]) -> Gallery:
    both = ", solid blue the best fitted one" if page.fitted is not None else ""
    explanation = (
        f"The objects whose best IoU is lowest, at most {MOST_OF_AN_IMAGE} of an image. Thin "
        f"white: the object. Dashed: the recipe’s prior that overlaps it most{both}."
    )
    return Gallery("Worst covered objects", explanation, len(crops), tuple(crops))


def _choose_worst(measured: Measured) -> Iterator[int]:
    """Choose the objects with the lowest best IoU, few of each image."""
    number = 0
    of_image: Counter[int] = Counter()
    for index in measured.best.iou.argsort(stable=True).tolist():
        image = int(measured.objects.images[index])
        of_image[image] += 1
        if of_image[image] <= MOST_OF_AN_IMAGE:
            yield index
            number += 1
        if number == MOST_CROPS:
            return


def _plan(page: CoveragePage, index: int, size: Int[np.ndarray, " 2"]) -> CropPlan:
    """Plan the crop of an object; boxes go back to pixels of its image of (height, width)."""
    measured, fitted = page.measured, page.fitted
    box = measured.objects.boxes[index]
    outlines = [Outline(_in_image(box, measured, size), "annotated")]
    outlines.append(Outline(_in_image(_best(measured, index), measured, size), "fp"))
    overlap = f"IoU {measured.best.iou[index]:.2f}"
    if fitted is not None:
        outlines.append(Outline(_in_image(_best(fitted, index), fitted, size), "tp"))
        overlap += f" → {fitted.best.iou[index]:.2f}"
    width, height = (box[2:] - box[:2]).tolist()
    return CropPlan(
        image=int(measured.objects.images[index]),
        outlines=tuple(outlines),
        title=measured.objects.class_names[measured.objects.labels[index]],
        detail=f"{overlap}, {width:.0f} × {height:.0f} pixels of the input",
    )


def _best(measured: Measured, index: int) -> Tensor:
    """Return the best prior of an object, in pixels of the input."""
    return measured.layout.boxes[measured.best.prior[index]]


def _in_image(
    box: Tensor, measured: Measured, size: Int[np.ndarray, " 2"]
) -> tuple[float, float, float, float]:
    """Resize a box from the input to an image of (height, width)."""
    factors = np.array(size) / np.array(measured.layout.size)
    in_pixels: Float64[np.ndarray, " 4"] = box.to(torch.float64).numpy() * factors[[1, 0, 1, 0]]
    return round_box(in_pixels)
