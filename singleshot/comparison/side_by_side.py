"""What several detectors find in the same image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from torch import Tensor

from singleshot.metrics import Predictions, Protocol, Truths, find_hits
from singleshot.report.images import Exhibit, FoundMark, TruthMark, exhibit

__all__ = ["Shown", "View", "errors_of_images", "most_disputed", "shown"]


@dataclass(frozen=True)
class View:
    """An image as one detector sees it, from the score of its best F1 on."""

    found: tuple[tuple[FoundMark, str], ...]  # with what became of each: hit, false or forgiven
    truths: tuple[tuple[TruthMark, str], ...]  # annotated, missed or uncounted

    def count(self, fate: str) -> int:
        """How many marks there are of a kind."""
        return sum(one == fate for _, one in (*self.found, *self.truths))


@dataclass(frozen=True)
class Shown:
    """An image, and a view of it for each detector."""

    name: str
    uri: str
    width: int
    height: int
    views: tuple[View, ...]


def shown(
    path: str,
    image: UInt8[Tensor, "3 h w"],
    found: Sequence[Predictions],
    truths: Truths,
    score_thresholds: Sequence[Float64[np.ndarray, " num_classes"]],
    *,
    protocol: Protocol,
    iou_threshold: float,
) -> Shown:
    """Mark what each detector finds; predictions and truths are the image's own alone."""
    exhibits = [
        exhibit(path, image, one, truths, protocol=protocol, iou_thresholds=[iou_threshold])
        for one in found
    ]
    views = tuple(map(view, exhibits, score_thresholds))
    first = exhibits[0]
    return Shown(PurePath(path).name, first.uri, first.width, first.height, views)


def view(one: Exhibit, score_thresholds: Float64[np.ndarray, " num_classes"]) -> View:
    """The marks that are sure enough, with their fates."""
    fates = one.fates_of_found(score_thresholds, 0)
    found = zip(one.found, fates, strict=True)
    return View(
        tuple((mark, fate) for mark, fate in found if fate != "off"),
        tuple(zip(one.truths, one.fates_of_truths(score_thresholds, 0), strict=True)),
    )


def errors_of_images(
    predictions: Predictions,
    truths: Truths,
    score_thresholds: Float64[np.ndarray, " num_classes"],
    *,
    protocol: Protocol,
    iou_threshold: float,
) -> Int64[np.ndarray, " num_images"]:
    """Misses and false positives of each image."""
    sure = predictions[predictions.scores >= score_thresholds[predictions.labels]]
    ignore = protocol.ignores(truths)
    hits = find_hits(sure, truths, ignore=ignore, iou_threshold=iou_threshold)

    def per_image(images: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " num_images"]:
        return np.bincount(images, minlength=truths.num_images)

    false_positives = per_image(sure.images[~hits.hit & ~hits.ignored])
    misses = per_image(truths.images[~ignore]) - per_image(sure.images[hits.hit])
    return np.asarray(false_positives + misses)


def most_disputed(errors: Int64[np.ndarray, "detectors num_images"], count: int) -> list[int]:
    """The images where the detectors differ most in the number of their errors."""
    spread = errors.max(axis=0) - errors.min(axis=0)
    order = np.argsort(-spread, kind="stable")[:count]
    return [int(image) for image in order if spread[image]]
