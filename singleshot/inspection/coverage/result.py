"""The result of a measurement: how well each class, size and level is covered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from singleshot.boxes.geometry import area
from singleshot.data.input_objects import InputObjects
from singleshot.detectors.common.prior_overlap import BestPriors, best_priors
from singleshot.detectors.common.priors import PriorLayout, Shape

__all__ = [
    "IOU_THRESHOLD",
    "NUM_BINS",
    "Coverage",
    "CoverageResult",
    "Gain",
    "LevelCoverage",
    "Measured",
    "Overlap",
    "PriorFit",
    "measure_overlap",
]

IOU_THRESHOLD = 0.5  # from which on the paper matches any prior
NUM_BINS = 20  # of the histogram of best IoUs
SMALL, LARGE = 32.0**2, 96.0**2  # square pixels of the input; COCO's bounds


class Overlap(NamedTuple):
    """Coverage of some objects in two numbers."""

    objects: int
    mean_best_iou: float | None  # None without objects
    recall: float | None  # share with a best IoU of at least 0.5


@dataclass(frozen=True)
class LevelCoverage:
    """The priors of one level, and the objects that one of them covers best."""

    grid: tuple[int, int]  # rows, columns
    stride: tuple[float, float]  # pixels of the input: down, across
    shapes: tuple[Shape, ...]  # (width, height) of a cell's priors in pixels of the input
    share: float | None  # of all objects
    overlap: Overlap


@dataclass(frozen=True)
class Coverage:
    """The best IoU of any prior with each object, summed up."""

    data: str  # description of the data set
    images: int
    left_out: int  # objects without an area, and regions of crowds
    input: tuple[int, int]  # height, width
    priors: int
    all: Overlap
    histogram: tuple[int, ...]  # objects by best IoU, in bins of equal width from 0 to 1
    per_class: Mapping[str, Overlap]
    per_size: Mapping[str, Overlap]  # by COCO's bounds, after resizing
    levels: tuple[LevelCoverage, ...]  # finest first

    @classmethod
    def of(
        cls, objects: InputObjects, best: BestPriors, layout: PriorLayout, data: str
    ) -> Coverage:
        """Sum up the best priors of all objects."""
        iou = best.iou
        areas = area(objects.boxes)
        by_size = {
            "small": areas < SMALL,
            "medium": (areas >= SMALL) & (areas < LARGE),
            "large": areas >= LARGE,
        }
        bins = (iou * NUM_BINS).long().clamp(max=NUM_BINS - 1)
        return cls(
            data=data,
            images=objects.num_images,
            left_out=objects.num_left_out,
            input=layout.size,
            priors=len(layout.boxes),
            all=measure_overlap(iou),
            histogram=tuple(torch.bincount(bins, minlength=NUM_BINS).tolist()),
            per_class={
                name: measure_overlap(iou[objects.labels == label])
                for label, name in enumerate(objects.class_names)
            },
            per_size={name: measure_overlap(iou[of_size]) for name, of_size in by_size.items()},
            levels=tuple(
                _level_coverage(layout, index, iou, best.level == index)
                for index in range(len(layout.levels))
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """Convert to plain numbers; null where undefined."""
        document = asdict(self) | self.all._asdict()
        del document["all"]
        for key in ("per_class", "per_size"):
            document[key] = {name: one._asdict() for name, one in getattr(self, key).items()}
        document["levels"] = [
            {
                "grid": level.grid,
                "stride": level.stride,
                "shapes": level.shapes,
                "share": level.share,
                **level.overlap._asdict(),
            }
            for level in self.levels
        ]
        return document


@dataclass(frozen=True)
class Measured:
    """Objects with the best of some priors, one by one and summed up."""

    objects: InputObjects
    layout: PriorLayout
    best: BestPriors
    coverage: Coverage

    @classmethod
    def of(cls, objects: InputObjects, layout: PriorLayout, data: str) -> Measured:
        """Find the best prior of each object, and sum up."""
        best = best_priors(objects.boxes, layout)
        return cls(objects, layout, best, Coverage.of(objects, best, layout, data))


def measure_overlap(iou: Float[Tensor, " n"]) -> Overlap:
    """Sum up the best IoUs of some objects."""
    if not len(iou):
        return Overlap(0, None, None)
    reached = (iou >= IOU_THRESHOLD).float().mean()
    return Overlap(len(iou), round(float(iou.mean()), 5), round(float(reached), 5))


def _level_coverage(
    layout: PriorLayout, index: int, iou: Float[Tensor, " n"], owned: Bool[Tensor, " n"]
) -> LevelCoverage:
    """Sum up the objects that a level covers best."""
    level = layout.levels[index]
    share = round(float(owned.float().mean()), 5) if len(owned) else None
    return LevelCoverage(level.grid, level.stride, level.shapes, share, measure_overlap(iou[owned]))


class Gain(NamedTuple):
    """Coverage of the same objects by the recipe's priors and by the fitted ones."""

    data: str
    before: Overlap
    after: Overlap


@dataclass(frozen=True)
class PriorFit:
    """Priors that were fitted, and what they gain."""

    recipe: Path  # the TOML file
    input: tuple[int, int]  # height, width
    shapes: tuple[tuple[Shape, ...], ...]  # pixels of the input, level by level
    gains: tuple[Gain, ...]  # on the objects fitted to, augmented ones, and held-out ones
    coverage: Coverage  # of the objects fitted to

    def to_json(self) -> dict[str, Any]:
        """Convert to plain numbers."""
        gains = [
            {"data": gain.data, "before": gain.before._asdict(), "after": gain.after._asdict()}
            for gain in self.gains
        ]
        return {
            "recipe": str(self.recipe),
            "input": list(self.input),
            "gains": gains,
            "coverage": self.coverage.to_json(),
        }


@dataclass(frozen=True)
class CoverageResult:
    """Coverage of a data set by the priors of a recipe, and by priors fitted to it."""

    recipe: str
    coverage: Coverage
    remarks: Sequence[str]
    fit: PriorFit | None = None

    def to_json(self) -> dict[str, Any]:
        """Convert to the document that `data coverage --json` prints."""
        return {
            "recipe": self.recipe,
            **self.coverage.to_json(),
            "remarks": list(self.remarks),
            "fit": None if self.fit is None else self.fit.to_json(),
        }
