"""Choose the images that models are timed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from singleshot.benchmarking.options import BenchmarkOptions, parse_size
from singleshot.benchmarking.sample_images import draw_sample_images
from singleshot.benchmarking.timing import spread_images
from singleshot.data.layouts import find_layouts
from singleshot.data.opening import formats
from singleshot.errors import SingleshotError
from singleshot.evaluation.evaluate import open_evaluation_data
from singleshot.options import DataPaths, as_paths
from singleshot.prediction.sources import find_images

__all__ = ["TimedImages", "choose_images", "unlabelled_images"]

NUM_IMAGES = 20  # each moved by some columns when it is seen again


@dataclass(frozen=True)
class TimedImages:
    """Images to time on, and whether they are annotated."""

    paths: Sequence[Path]
    description: str
    annotated: bool


def choose_images(options: BenchmarkOptions, folder: Path) -> TimedImages:
    """Choose images of the data, annotated or not; without data draw some into a folder."""
    if not options.data:
        height, width = parse_size(options.size)
        paths = draw_sample_images(folder, NUM_IMAGES, (height, width))
        return TimedImages(paths, f"synthetic images of {width} × {height}", annotated=False)
    found = unlabelled_images(options.data)
    if found is not None:
        names = ", ".join(map(str, as_paths(options.data)))
        step = max(len(found) // NUM_IMAGES, 1)
        return TimedImages(found[::step][:NUM_IMAGES], f"images of {names}", annotated=False)
    dataset = open_evaluation_data(options.data, options.split, None, reading=options.reading)
    return TimedImages(spread_images(dataset, NUM_IMAGES), dataset.description, annotated=True)


def unlabelled_images(data: DataPaths) -> list[Path] | None:
    """List the images where all paths are images, or folders of images without annotations.

    None where there are annotations, or none of both: it is then opened, or refused, as a data set.
    """
    paths = as_paths(data)
    if any(not path.exists() or find_layouts(path, formats()) for path in paths):
        return None
    if not all(map(_holds_images, paths)):
        return None
    return [Path(str(one)) for one in find_images(map(str, paths))]


def _holds_images(path: Path) -> bool:
    """Return whether a path is an image, or a folder with some directly in it."""
    try:
        return bool(find_images([str(path)]))
    except SingleshotError:
        return False
