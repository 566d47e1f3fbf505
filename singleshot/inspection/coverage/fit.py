"""Fit the shapes of priors to the objects of a data set.

Each level keeps its grid and its number of priors: the network and its checkpoints keep their
shapes. Coverage is raised by a local search, shape by shape, that begins at the recipe's own shapes
and takes only what is better. So a prior that no object needs stays as it is, which also settles a
data set of one object, or of a single size.

What is raised is the mean of two numbers: the best IoU, and the share of objects that it reaches
0.5 of, softened so that every object counts a little. Of what was tried on four data sets, the mean
IoU alone left more objects of the held-out images below 0.5; recall alone left the others just
above it (`benchmarks/results/prior-fit.md`).

k-means with the distance 1 - IoU (Redmon and Farhadi 2017, §2) clusters sizes alone: it knows
neither the levels nor that an object's centre may lie between two priors. Its step, a shape moved
to the middle of the objects that it serves, is one of the candidates here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from singleshot.detectors.common.prior_overlap import centre_distances, shape_overlaps
from singleshot.detectors.common.priors import PriorLevel, Shape
from singleshot.inspection.coverage.result import IOU_THRESHOLD

__all__ = ["fit_shapes", "size_ranges"]

MOST_OBJECTS = 5000  # drawn evenly of more: shapes have far fewer numbers
STEPS = (1.3, 1.15, 1.07, 1.03)  # factors that a side is changed by, one search after the other
MOST_SWEEPS = 20  # of all shapes, for each factor
LEAST_GAIN = 1e-5  # of the mean: less is not worth another shape
NUM_WORST = 16  # shapes of badly covered objects that are tried for each prior
REACH = 1.5  # factor by which a level may go below its smallest prior and above its largest one
REACH_DOWN = 2.0  # of the finest level, below which there is no other
SOFTNESS = 0.03  # of IoU, around 0.5: the width of the step from not covered to covered
SMALLEST = 2.0  # pixels, of a side
LARGEST = 1.5  # times the input's side


def fit_shapes(
    groups: Sequence[Float[Tensor, "_ 4"]], levels: Sequence[PriorLevel], size: tuple[int, int]
) -> list[tuple[Shape, ...]]:
    """Fit the (width, height) of all priors to objects, in pixels of the input of this size.

    Groups of objects count alike, however many there are in each. `size` is (height, width). The
    same objects give the same shapes, in the order of the levels' own. Priors are taken as
    unclipped.
    """
    drawn = [_draw_evenly(boxes) for boxes in groups if len(boxes)]
    if not drawn:
        return [level.shapes for level in levels]
    weights = torch.cat([boxes.new_full((len(boxes),), 1 / len(boxes)) for boxes in drawn])
    weights = (weights / len(drawn)).double()
    search = _Search.of(torch.cat(drawn).double(), weights, levels, size)
    for step in STEPS:
        for _ in range(MOST_SWEEPS):
            if not search.sweep(step):
                break
    fitted = iter(search.shapes.tolist())
    return [tuple((w, h) for w, h in (next(fitted) for _ in level.shapes)) for level in levels]


def size_ranges(levels: Sequence[PriorLevel]) -> list[tuple[float, float]]:
    """Return the smallest and the largest √area that the priors of each level may have.

    A fine level has centres closer together, so that its priors always overlap best: without
    bounds all priors would gather there, where the network sees too little of a large object.
    """
    roots = [[(width * height) ** 0.5 for width, height in level.shapes] for level in levels]
    return [
        (min(of_level) / (REACH if index else REACH_DOWN), max(of_level) * REACH)
        for index, of_level in enumerate(roots)
    ]


def _draw_evenly(boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "m 4"]:
    """Draw objects from all over the data set, where there are more than are needed."""
    number = min(len(boxes), MOST_OBJECTS)
    return boxes[torch.linspace(0, len(boxes) - 1, number).long()]


@dataclass
class _Search:
    """Objects, and the shapes found so far."""

    sizes: Float[Tensor, "n 2"]  # (width, height) of the objects
    weights: Float[Tensor, " n"]  # of the objects; their sum is 1
    distances: Float[Tensor, "slots n 2"]  # of their centres from the nearest of each shape's level
    ranges: Float[Tensor, "slots 2"]  # of √area
    largest: Float[Tensor, " 2"]  # width and height of any prior
    shapes: Float[Tensor, "slots 2"]
    overlaps: Float[Tensor, "slots n"]

    @classmethod
    def of(
        cls,
        boxes: Float[Tensor, "n 4"],
        weights: Float[Tensor, " n"],
        levels: Sequence[PriorLevel],
        size: tuple[int, int],
    ) -> _Search:
        """Begin at the shapes of the levels."""
        level_of_slot = [index for index, level in enumerate(levels) for _ in level.shapes]
        shapes = boxes.new_tensor([shape for level in levels for shape in level.shapes])
        sizes = boxes[:, 2:] - boxes[:, :2]
        distances = centre_distances(boxes, levels)[level_of_slot]
        ranges = boxes.new_tensor(size_ranges(levels))[level_of_slot]
        largest = LARGEST * boxes.new_tensor([size[1], size[0]])
        overlaps = [
            shape_overlaps(sizes, of_slot, shape[None])[0]
            for of_slot, shape in zip(distances, shapes, strict=True)
        ]
        return cls(sizes, weights, distances, ranges, largest, shapes, torch.stack(overlaps))

    def sweep(self, step: float) -> bool:
        """Replace each shape by the best candidate, if that is better; return whether any was."""
        changed = False
        for slot in range(len(self.shapes)):
            rest = self._best_without(slot)
            candidates = self._candidates(slot, rest, step)
            overlaps = shape_overlaps(self.sizes, self.distances[slot], candidates)
            fits = self._fit(torch.maximum(overlaps, rest))
            best = int(fits.argmax())
            if fits[best] - self._fit(torch.maximum(self.overlaps[slot], rest)) > LEAST_GAIN:
                self.shapes[slot], self.overlaps[slot] = candidates[best], overlaps[best]
                changed = True
        return changed

    def _fit(self, best: Float[Tensor, "*m n"]) -> Float[Tensor, "*m"]:
        """Average the best IoUs and their softened recall."""
        reached = ((best - IOU_THRESHOLD) / SOFTNESS).sigmoid()
        return (best + reached) / 2 @ self.weights

    def _best_without(self, slot: int) -> Float[Tensor, " n"]:
        """Return each object's best IoU with the other shapes."""
        others = torch.arange(len(self.shapes)) != slot
        if not others.any():
            return torch.zeros_like(self.overlaps[0])
        return self.overlaps[others].amax(dim=0)

    def _candidates(
        self, slot: int, rest: Float[Tensor, " n"], step: float
    ) -> Float[Tensor, "candidates 2"]:
        """List shapes to try: near the present one, the middle of its objects, badly covered ones.

        All are brought into the level's range.
        """
        shape = self.shapes[slot]
        factors = shape.new_tensor(list(_changes(step)))
        served = self.sizes[self.overlaps[slot] > rest]
        middle = served.log().mean(dim=0, keepdim=True).exp() if len(served) else shape[None]
        order = rest.argsort(stable=True)
        worst = order[: len(order) // 2 + 1]
        spread = worst[torch.linspace(0, len(worst) - 1, NUM_WORST).long()]
        return self._limit(torch.cat([shape * factors, middle, self.sizes[spread]]), slot)

    def _limit(self, shapes: Float[Tensor, "m 2"], slot: int) -> Float[Tensor, "m 2"]:
        """Bring √area into the range of the level, then each side into that of all priors."""
        low, high = self.ranges[slot]
        roots = shapes.prod(dim=1, keepdim=True).sqrt()
        scaled = shapes * (roots.clamp(min=low, max=high) / roots)
        return scaled.clamp(min=SMALLEST).minimum(self.largest)


def _changes(step: float) -> Iterator[tuple[float, float]]:
    """Yield factors of width and height: each alone, both alike, and both against each other."""
    for factor in (step, 1 / step):
        yield from ((factor, 1.0), (1.0, factor), (factor, factor), (factor, 1 / factor))
