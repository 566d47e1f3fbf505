"""A training sample with its priors as boxes: those matched to objects, and hard negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.boxes.geometry import pairwise_iou
from singleshot.detectors.common.priors import (
    MinedNegatives,
    PriorLayout,
    PriorLevel,
    PriorMatches,
)
from singleshot.structures import Sample

__all__ = ["LevelScene", "MatchedPrior", "Negative", "SampleScene", "make_scenes"]

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels of the input


class MatchedPrior(NamedTuple):
    """A prior that is trained on an object."""

    box: Box
    object: int  # number among the sample's
    iou: float


class Negative(NamedTuple):
    """A prior that is trained as background, although the model takes it for an object."""

    box: Box
    label: int
    score: float


@dataclass(frozen=True)
class LevelScene:
    """The priors of one level in a sample."""

    grid: tuple[int, int]  # rows, columns
    columns: tuple[float, ...]  # x of the lines between its cells, in pixels of the input
    rows: tuple[float, ...]
    matched: tuple[MatchedPrior, ...]
    others: tuple[Box, ...]  # unmatched priors in the cell of each object's best prior


@dataclass(frozen=True)
class SampleScene:
    """One augmented sample, as training sees it."""

    sample: Sample
    levels: tuple[LevelScene, ...]  # that have a match, finest first; empty without priors
    negatives: tuple[Negative, ...] | None  # mined by a model; None without one
    num_priors: int

    @property
    def num_matches(self) -> int:
        """Priors that are trained on an object."""
        return sum(len(level.matched) for level in self.levels)


def make_scenes(
    samples: Sequence[Sample],
    layout: PriorLayout | None,
    matches: PriorMatches | None,
    negatives: MinedNegatives | None,
) -> list[SampleScene]:
    """Turn the matches and negatives of a batch into boxes of each sample."""
    if layout is None or matches is None:
        return [SampleScene(sample, (), None, 0) for sample in samples]
    scenes = []
    for image, sample in enumerate(samples):
        own = matches.image == image
        levels = _levels(
            layout, _matches_of(sample, matches.prior[own], matches.boxes[own], layout)
        )
        mined = None if negatives is None else _negatives(layout, negatives, image)
        scenes.append(SampleScene(sample, levels, mined, len(layout.boxes)))
    return scenes


def _matches_of(
    sample: Sample, priors: Int[Tensor, " n"], boxes: Float[Tensor, "n 4"], layout: PriorLayout
) -> _Matches:
    """Find the number of each matched object, and its IoU with the prior."""
    iou = pairwise_iou(boxes[:, None], layout.boxes[priors][:, None])[:, 0, 0]
    # The boxes are those of the sample, to rounding.
    distances = (boxes[:, None] - sample.truth.boxes).abs().sum(dim=-1)
    objects = distances.argmin(dim=1) if len(priors) else priors
    return _Matches(priors, objects, iou)


def _negatives(layout: PriorLayout, negatives: MinedNegatives, image: int) -> tuple[Negative, ...]:
    """Select the negatives of one image, highest score first."""
    own = negatives.image == image
    columns = negatives.label[own].tolist(), negatives.score[own].tolist()
    boxes = _boxes(layout.boxes[negatives.prior[own]])
    return tuple(map(Negative, boxes, *columns))


class _Matches(NamedTuple):
    """The matches of one sample, or of one level of it."""

    priors: Int[Tensor, " n"]
    objects: Int[Tensor, " n"]  # number of each prior's object among the sample's
    iou: Float[Tensor, " n"]

    def select(self, keep: Bool[Tensor, " n"]) -> _Matches:
        """Select some of them."""
        return _Matches(self.priors[keep], self.objects[keep], self.iou[keep])

    def best(self) -> list[int]:
        """Return the best prior of each object."""
        order = self.iou.argsort(descending=True, stable=True)
        pairs = zip(self.objects[order].tolist(), self.priors[order].tolist(), strict=True)
        best: dict[int, int] = {}
        for number, prior in pairs:
            best.setdefault(number, prior)
        return list(best.values())


def _levels(layout: PriorLayout, matches: _Matches) -> tuple[LevelScene, ...]:
    """Sort matched priors by level."""
    of_level = layout.level_of_prior()[matches.priors]
    first, scenes = 0, []
    for index, level in enumerate(layout.levels):
        own = of_level == index
        if own.any():
            scenes.append(_level(layout, level, first, matches.select(own)))
        first += len(level)
    return tuple(scenes)


def _level(layout: PriorLayout, level: PriorLevel, first: int, matches: _Matches) -> LevelScene:
    """Collect the matched priors of a level, and their unmatched neighbours of the same cell.

    `first` is the number of the level's first prior.
    """
    per_cell = level.num_priors_per_cell
    cells = {(prior - first) // per_cell for prior in matches.best()}
    of_cells = {first + cell * per_cell + shape for cell in cells for shape in range(per_cell)}
    others = sorted(of_cells - set(matches.priors.tolist()))
    boxes = _boxes(layout.boxes[matches.priors])
    (rows, columns), (down, across), (top, left) = level.grid, level.stride, level.first_centre
    return LevelScene(
        level.grid,
        tuple(round(left + (i - 0.5) * across, 1) for i in range(1, columns)),
        tuple(round(top + (i - 0.5) * down, 1) for i in range(1, rows)),
        tuple(
            MatchedPrior(box, number, round(iou, 3))
            for box, number, iou in zip(
                boxes, matches.objects.tolist(), matches.iou.tolist(), strict=True
            )
        ),
        tuple(_boxes(layout.boxes[others])),
    )


def _boxes(boxes: Tensor) -> tuple[Box, ...]:
    """Round boxes to a tenth of a pixel."""
    rounded = (boxes.double() * 10).round() / 10
    return tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in rounded.tolist())
