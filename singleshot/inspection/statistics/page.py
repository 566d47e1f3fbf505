"""The page of a data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from singleshot.data.dataset import DataSet
from singleshot.evaluation.gallery import Gallery
from singleshot.files import write_atomically
from singleshot.inspection.statistics.measure import ObjectArrays, count_together
from singleshot.inspection.statistics.plots import (
    BarPanel,
    PlaceMap,
    aspect_panel,
    frequency_panel,
    image_size_chart,
    map_centres,
    map_coverage,
    map_shapes,
    object_size_panel,
    per_image_panel,
)
from singleshot.inspection.statistics.remarks import remark_on_data
from singleshot.inspection.statistics.result import DataStatistics
from singleshot.inspection.statistics.samples import MOST_CLASSES, sample_class
from singleshot.report.page import environment

__all__ = ["StatisticsPage", "write_statistics_page"]

MOST_ROWS = 40  # classes in a table; a chart shows more
MOST_TOGETHER = 12  # classes in the table of classes in one image
CLASS_MAP_SIDE = 14  # cells


@dataclass(frozen=True)
class StatisticsPage:
    """Content of a page."""

    title: str
    result: DataStatistics
    objects: ObjectArrays
    command: str
    version: str


@dataclass(frozen=True)
class _ClassSamples:
    """Crops of a class, and where its objects are."""

    gallery: Gallery
    places: PlaceMap


@dataclass(frozen=True)
class _Together:
    """Of the images with the class of a row, the share that also has the class of a column."""

    names: list[str]
    shares: list[list[float | None]]  # None on the diagonal


def write_statistics_page(page: StatisticsPage, dataset: DataSet, path: Path, *, seed: int) -> Path:
    """Write one HTML file that needs no other and no network; some images are read for crops."""
    samples = list(_samples(page, dataset, torch.Generator().manual_seed(seed)))
    with write_atomically(path) as partial:
        partial.write_text(_render(page, samples), encoding="utf-8")
    return path


def _render(page: StatisticsPage, samples: list[_ClassSamples]) -> str:
    """Fill in the template; everything from outside is escaped."""
    objects, result = page.objects, page.result
    rows = [*result.per_class.items()][:MOST_ROWS]
    known = len(objects.in_known_images) > 0
    return (
        environment(Path(__file__).parent)
        .get_template("statistics.html")
        .render(
            page=page,
            result=result,
            remarks=remark_on_data(result),
            rows=rows,
            num_more=len(result.per_class) - len(rows),
            most_objects=max((one.objects for _, one in rows), default=0),
            columns=[*result.splits] if len(result.splits) > 1 else [],
            panels=_panels(page),
            image_sizes=image_size_chart(result),
            maps=[
                ("Coverage", "boxes over each place", map_coverage(objects)),
                ("Centres", "centres of boxes", map_centres(objects)),
                ("Shapes", "width to the right, height upwards", map_shapes(objects)),
            ]
            if known
            else [],
            together=_together(objects),
            samples=samples,
            num_unsampled=sum(one.objects > 0 for one in result.per_class.values()) - len(samples),
        )
    )


def _panels(page: StatisticsPage) -> list[BarPanel]:
    """Plot histograms; without objects, there are none."""
    objects = page.objects
    if not len(objects):
        return []
    several = len(page.result.per_class) > MOST_ROWS
    return [
        *([frequency_panel(page.result)] if several else []),
        object_size_panel(objects),
        aspect_panel(objects),
        per_image_panel(objects.counts_of_images()),
    ]


def _samples(
    page: StatisticsPage, dataset: DataSet, random: torch.Generator
) -> Iterator[_ClassSamples]:
    """Cut out objects of the most frequent classes."""
    names = [name for name, one in page.result.per_class.items() if one.objects]
    for name in names[:MOST_CLASSES]:
        of_class = page.objects.take(page.objects.label == dataset.class_names.index(name))
        yield _ClassSamples(
            sample_class(dataset, of_class, name, random=random),
            map_centres(of_class, CLASS_MAP_SIDE),
        )


def _together(objects: ObjectArrays) -> _Together | None:
    """Compute how often frequent classes are in one image; None for fewer than two classes."""
    images = objects.images_of_class()
    classes = np.argsort(-images, kind="stable")[:MOST_TOGETHER]
    classes = classes[images[classes] > 0]
    if len(classes) < 2:
        return None
    table = count_together(objects, classes)
    shares = table / table.diagonal()[:, None]
    return _Together(
        names=[objects.class_names[label] for label in classes],
        shares=[
            [None if row == column else float(share) for column, share in enumerate(one)]
            for row, one in enumerate(shares)
        ],
    )
