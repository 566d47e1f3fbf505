"""Start a training from a trained detector: which of its classes begin as which of the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from singleshot.boxes.geometry import pairwise_iou
from singleshot.checkpoints.checkpoint import detector_from
from singleshot.checkpoints.transfer import TrainedDetector, Transfer
from singleshot.data.dataset import DataSet
from singleshot.detectors.common.settings import DetectorSettings
from singleshot.detectors.detector import TrainableDetector
from singleshot.evaluation.detection import each_detected
from singleshot.families import build_detector
from singleshot.structures import Detections, Truth
from singleshot.training.validation import BATCH_SIZE

__all__ = ["Start", "find_nearest_classes"]

IMAGES_PER_CLASS = 8  # on which the detector is tried for a new class …
MOST_IMAGES = 200  # … and for all of them together
FOUND = 0.5  # IoU of a detection with the object that it is of
# Scores of a class on average over the objects.
LEAST_SCORE = 0.02  # less means nothing
KNOWN_SCORE = 0.3  # from here on a new class is a known one under another name


class NearestClass(NamedTuple):
    """The class that a detector takes the objects of a new class for."""

    name: str
    score: float  # on average over the objects


@dataclass(frozen=True)
class Start:
    """A trained detector that a training starts from, and what its classes become."""

    detector: TrainedDetector
    class_map: Mapping[str, str] = field(default_factory=dict)  # the data's classes to its
    nearest: Mapping[str, NearestClass] = field(default_factory=dict)  # of new classes

    @classmethod
    def on(
        cls,
        detector: TrainedDetector,
        class_map: Mapping[str, str],
        data: DataSet,
        device: torch.device,
    ) -> Start:
        """Try the detector on training images, for the nearest of its classes to each new one.

        Raises ModelError for a class of the map that is not in the data, or not the detector's.
        """
        kept = detector.same_classes(data.class_names, class_map)
        new = [name for name in data.class_names if name not in kept]
        by_class = detector.checkpoint.recipe.model.class_columns(detector.checkpoint.class_names)
        nearest = find_nearest_classes(detector, data, new, device) if new and by_class else {}
        return cls(detector, class_map, nearest)

    def kept_classes(self, class_names: Sequence[str]) -> tuple[str, ...]:
        """List the classes that the detector has already."""
        return tuple(self.detector.same_classes(class_names, self.class_map))

    def knows(self, class_names: Sequence[str]) -> bool:
        """Return whether the detector finds every class already, if under another name."""
        known = {name for name, one in self.nearest.items() if one.score >= KNOWN_SCORE}
        return known.issuperset({*class_names} - {*self.kept_classes(class_names)})

    def keeps_outputs(self, model: DetectorSettings, class_names: Sequence[str]) -> bool:
        """Return whether a detector with these settings takes over the outputs for known classes.

        See `TrainedDetector.keeps_outputs`.
        """
        # Weights are random before they are filled: the training must not change.
        with torch.random.fork_rng(devices=[]):
            detector = build_detector(model, class_names, pretrained=False)
        kept = self.detector.same_classes(class_names, self.class_map)
        return self.detector.keeps_outputs(detector, kept)

    def transfer_to(self, detector: TrainableDetector) -> Transfer:
        """Fill a detector; see `TrainedDetector.transfer_to`."""
        nearest = {name: one.name for name, one in self.nearest.items()}
        return self.detector.transfer_to(detector, self.class_map, nearest)


def find_nearest_classes(
    start: TrainedDetector, data: DataSet, class_names: Sequence[str], device: torch.device
) -> dict[str, NearestClass]:
    """Find the class that a detector takes objects of each new class for.

    It is the one with the highest score, averaged over the objects: of its detections that overlap
    an object, the surest counts. A class whose objects are not found is not in the result.
    """
    labels = [data.class_names.index(name) for name in class_names]
    few = data.subset(_images_with(labels, data), description="")
    # Weights are random before they are filled: the training must not change.
    with torch.random.fork_rng(devices=[]):
        detector = detector_from(start.checkpoint, start.source).to(device)
    totals = torch.zeros(len(data.class_names), len(detector.class_names))
    counts = torch.zeros(len(data.class_names))
    batches = [
        range(first, min(first + BATCH_SIZE, len(few))) for first in range(0, len(few), BATCH_SIZE)
    ]
    for index, found in enumerate(each_detected(detector, few, batches, None)):
        truth = few.truth(index)
        totals.index_add_(0, truth.labels, _scores_by_class(truth, found, totals.shape[1]))
        counts.index_add_(0, truth.labels, torch.ones(len(truth)))
    means = totals / counts.clamp(min=1)[:, None]
    best, nearest = means.max(dim=1)
    return {
        name: NearestClass(detector.class_names[int(nearest[label])], float(best[label]))
        for name, label in zip(class_names, labels, strict=True)
        if best[label] >= LEAST_SCORE
    }


def _images_with(labels: Sequence[int], data: DataSet) -> list[int]:
    """Choose images that hold each class, from all over the data set."""
    image_of = np.searchsorted(data.ends.numpy(), np.arange(len(data.truths)), side="right")
    numbers = data.truths.labels.numpy()

    def chosen() -> Iterator[int]:
        for label in labels:
            images = np.unique(image_of[numbers == label])
            yield from images[:: max(len(images) // IMAGES_PER_CLASS, 1)][:IMAGES_PER_CLASS]

    return sorted(islice(dict.fromkeys(map(int, chosen())), MOST_IMAGES))


def _scores_by_class(
    truth: Truth, found: Detections, num_classes: int
) -> Float[Tensor, "objects num_classes"]:
    """Compute the highest score of each class at each object; 0 where nothing overlaps it."""
    overlaps = pairwise_iou(truth.boxes, found.boxes.cpu()) >= FOUND
    labels = found.labels.cpu().expand(len(truth), -1)
    best = torch.zeros(len(truth), num_classes)
    return best.scatter_reduce(1, labels, found.scores.cpu() * overlaps, "amax")
