"""Running a detector over a data set; never more pictures in memory than one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from singleshot.data.dataset import DataSet
from singleshot.evaluation.judge import judge
from singleshot.metrics import Predictions, Protocol, Report
from singleshot.structures import Detections, Detector

__all__ = ["detect_all", "evaluate"]

Progress = Callable[[int, int], None]  # pictures done, pictures in all


def evaluate(
    detector: Detector,
    dataset: DataSet,
    *,
    protocol: Protocol,
    batch_size: int = 8,
    progress: Progress | None = None,
) -> Report:
    """Find objects in all pictures and judge what was found."""
    predictions = detect_all(detector, dataset, batch_size=batch_size, progress=progress)
    return judge(predictions, dataset, protocol=protocol)


def detect_all(
    detector: Detector,
    dataset: DataSet,
    *,
    batch_size: int = 8,
    progress: Progress | None = None,
) -> Predictions:
    """Find objects in all pictures.

    The detector and the data set must have the same classes in the same order (`with_classes`).
    """
    names = tuple(detector.class_names)
    assert names == dataset.class_names, (names, dataset.class_names)
    return Predictions.of(each_detected(detector, dataset, batch_size, progress))


def each_detected(
    detector: Detector, dataset: DataSet, batch_size: int, progress: Progress | None
) -> Iterator[Detections]:
    """Findings in one picture after the other."""
    for start in range(0, len(dataset), batch_size):
        end = min(start + batch_size, len(dataset))
        images = [dataset[index].image for index in range(start, end)]
        with torch.inference_mode():
            yield from detector.detect(images)
        if progress is not None:
            progress(end, len(dataset))
