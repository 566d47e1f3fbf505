"""Run a detector over a data set with never more than one batch of images in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import torch
from jaxtyping import UInt8
from torch import Tensor

from singleshot.cores import sharing_cores
from singleshot.data.dataset import DataSet
from singleshot.errors import TooLittleMemory
from singleshot.metrics import Predictions
from singleshot.runs.callbacks import OnMessage
from singleshot.structures import Detections, Detector

__all__ = ["detect_all", "each_detected"]

Progress = Callable[[int, int], None]  # images done, images to do


def detect_all(
    detector: Detector,
    dataset: DataSet,
    *,
    batch_size: int = 8,
    progress: Progress | None = None,
    on_message: OnMessage | None = None,
    shard: int = 0,
    num_shards: int = 1,
) -> Predictions:
    """Detect objects in all images, or in the share of one of several processes.

    The detector and the data set must have the same classes in the same order (`with_classes`).
    Of N shards, shard K takes the batches K, K + N, K + 2 N …: the very batches of one process that
    does it all, since a network rounds differently in batches of another size. Images keep their
    index in the whole data set, so that `Predictions.merge` joins the shards to exactly the same.
    Where a GPU has too little memory for a batch, fewer images are detected at once.
    """
    names = tuple(detector.class_names)
    assert names == dataset.class_names, (names, dataset.class_names)
    assert 0 <= shard < num_shards, (shard, num_shards)
    starts = range(shard * batch_size, len(dataset), num_shards * batch_size)
    batches = [range(start, min(start + batch_size, len(dataset))) for start in starts]
    with sharing_cores(on_message):
        detections = each_detected(detector, dataset, batches, progress)
        return Predictions.of(detections, images=chain.from_iterable(batches))


def each_detected(
    detector: Detector, dataset: DataSet, batches: Sequence[range], progress: Progress | None
) -> Iterator[Detections]:
    """Yield the detections of one image after the other."""
    done, total = 0, sum(map(len, batches))
    size = max(map(len, batches), default=1)
    for batch in batches:
        images = [dataset[index].image for index in batch]
        with torch.inference_mode():
            found, size = detect_within_memory(detector, images, size)
        yield from found
        done += len(batch)
        if progress is not None:
            progress(done, total)


def detect_within_memory(
    detector: Detector, images: Sequence[UInt8[Tensor, "3 _h _w"]], size: int
) -> tuple[list[Detections], int]:
    """Detect in `size` images at once, or in fewer where a GPU has too little memory for them.

    Also returns the number that fits, to continue with.
    """
    try:
        starts = range(0, len(images), size)
        parts = [detector.detect(images[start : start + size]) for start in starts]
        return list(chain.from_iterable(parts)), size
    except TooLittleMemory as error:
        if not error.num_fitting:
            raise
        size = error.num_fitting
    return detect_within_memory(detector, images, size)
