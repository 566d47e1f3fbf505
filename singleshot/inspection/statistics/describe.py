"""Description of a data set: its numbers, and a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool

from singleshot.data.dataset import DataSet
from singleshot.data.opening import read_dataset, read_with_findings, splits_of
from singleshot.inspection.statistics.measure import ObjectArrays
from singleshot.inspection.statistics.options import StatisticsOptions
from singleshot.inspection.statistics.page import StatisticsPage, write_statistics_page
from singleshot.inspection.statistics.result import DataStatistics
from singleshot.options import takes
from singleshot.version import __version__

__all__ = ["describe_dataset"]


@takes(StatisticsOptions)
def describe_dataset(data: str | Path, options: StatisticsOptions) -> DataStatistics:
    """Count the images and objects of a data set, and describe sizes, shapes and places.

    Crowd regions are counted apart from objects.

    Args:
        data: folder or file of annotated images.

    Raises:
        DataError: the data set cannot be read.
        StorageError: the page cannot be written.
    """
    path = Path(data)
    dataset = read_dataset(path, options.split, options.reading)
    for line in (dataset.description, *dataset.notes):
        options.notify(line)
    objects = ObjectArrays.of(dataset)
    result = DataStatistics.of(
        objects,
        {} if options.split is not None else _members_of_splits(dataset, path, options),
        data=dataset.description,
        notes=dataset.notes,
        page=options.page,
    )
    if options.page is not None:
        command = options.to_command("data stats", data)
        page = StatisticsPage(path.name or str(path), result, objects, command, __version__)
        write_statistics_page(page, dataset, options.page, seed=options.seed)
    return result


def _members_of_splits(
    dataset: DataSet, path: Path, options: StatisticsOptions
) -> dict[str, Bool[np.ndarray, " images"]]:
    """Mark the images of each split that the data set defines."""
    members = {}
    for name in splits_of(path, options.reading):
        # Not `read_dataset`, which refuses a split without images.
        split, _ = read_with_findings(path, name, options.reading, images="unread")
        members[name] = dataset.paths.isin(split.paths)
    return members
