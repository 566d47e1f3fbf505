"""Losses of YOLO from version 2 on, as darknet trains it.

darknet has no losses but gradients: each layer writes `delta` (src/region_layer.c,
src/yolo_layer.c). These are losses with those gradients. Both are sums over the
boxes of an image, and means over images.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from typing_extensions import assert_never

from singleshot.boxes.geometry import pairwise_iou, to_centres
from singleshot.detectors.detector import Losses
from singleshot.detectors.yolo.anchors import OBJECTNESS, AnchorGrid
from singleshot.detectors.yolo.settings import WeightSettings
from singleshot.structures import Objects

__all__ = ["LossWeights", "logistic_losses", "region_losses"]

THINNEST = 0.001  # of an image's side; objects thinner than this are left out (src/data.c)
SETTLING = 0.01  # weight of the pull towards anchors (region_layer.c)

YoloOutputs = Float[Tensor, "b boxes columns"]
ClassCosts = Callable[[Float[Tensor, "n classes"], Int[Tensor, " n"]], Float[Tensor, " n"]]


class LossWeights(NamedTuple):
    """Weights of the terms of the loss."""

    coordinates: float
    objectness: float  # of boxes that are responsible for an object
    no_object: float  # objectness of all other boxes
    classes: float

    @classmethod
    def from_settings(cls, settings: WeightSettings) -> "LossWeights":
        """Translate the table `model.weights`."""
        return cls(settings.coordinates, settings.objectness, settings.no_object, settings.classes)


class BoxMatches(NamedTuple):
    """Pairs of boxes and objects of a batch; all columns have one entry for each pair."""

    images: Int[Tensor, " n"]
    boxes: Int[Tensor, " n"]  # of the grid
    truths: Float[Tensor, "n 4"]  # corners in pixels of the input
    labels: Int[Tensor, " n"]

    def select(self, keep: Bool[Tensor, " n"]) -> "BoxMatches":
        """Select pairs by a mask."""
        return BoxMatches(*(column[keep] for column in self))


def region_losses(
    outputs: YoloOutputs,
    grid: AnchorGrid,
    objects: Sequence[Objects],
    class_costs: ClassCosts,
    *,
    size: tuple[int, int],
    weights: LossWeights,
    ignore_iou: float,
    objectness_target: Literal["iou", "one"],
    settling: bool,
) -> Losses:
    """Compute the losses of a `[region]` layer (`forward_region_layer`; YOLO9000, §2).

    Halved squared errors of σ(t_xy), t_wh and σ(objectness), and `class_costs`. Where a box is
    responsible for two objects, the later one counts.
    """
    boxes = grid.decode(outputs.detach())
    matches = _last_of_each_box(_match_boxes(grid, objects, size))
    where = (matches.images, matches.boxes)
    overlap = pairwise_iou(boxes[where][:, None], matches.truths[:, None])[:, 0, 0]
    match objectness_target:
        case "iou":
            pass
        case "one":
            overlap = torch.ones_like(overlap)
        case _:
            assert_never(objectness_target)
    free = _best_overlap(boxes, objects) <= ignore_iou
    importance = (weights.no_object * free).index_put(where, outputs.new_tensor(weights.objectness))
    targets = torch.zeros_like(importance).index_put(where, overlap)
    error = outputs[..., OBJECTNESS].sigmoid() - targets
    objectness = (importance * error.square()).sum() / 2
    classes = (
        weights.classes * class_costs(outputs[where][:, OBJECTNESS + 1 :], matches.labels).sum()
    )

    pull = torch.full_like(importance, SETTLING if settling else 0.0)
    pull = pull.index_put(where, weights.coordinates * _size_weight(matches.truths, size))
    middle = outputs.new_tensor([0.5, 0.5, 0.0, 0.0]).expand(*importance.shape, 4)
    box_targets = middle.index_put(where, grid.encode(to_centres(matches.truths), matches.boxes))
    coded = torch.cat([outputs[..., :2].sigmoid(), outputs[..., 2:4]], dim=-1)
    errors = (coded - box_targets).square().sum(dim=-1)
    localization = (pull * errors).sum() / 2
    sums = {"localization": localization, "objectness": objectness, "classification": classes}
    return Losses.of(sums, weight=len(objects), num_matches=len(matches.labels))


def logistic_losses(
    outputs: YoloOutputs,
    grid: AnchorGrid,
    objects: Sequence[Objects],
    size: tuple[int, int],
    ignore_iou: float,
) -> Losses:
    """Compute the losses of `[yolo]` layers (`forward_yolo_layer`; Redmon and Farhadi 2018, §2).

    Binary cross-entropy of objectness and of every class, halved squared errors of t_wh. For t_xy
    the paper has a sum of squares; the code's gradient, σ(t_xy) minus the target, is that of a
    cross-entropy, which is used here. A box that is responsible for several objects has all their
    classes, and the coordinates of the last.
    """
    matches = _match_boxes(grid, objects, size)
    class_targets = torch.zeros_like(outputs[..., OBJECTNESS + 1 :])
    class_targets[matches.images, matches.boxes, matches.labels] = 1.0
    matches = _last_of_each_box(matches)
    where = (matches.images, matches.boxes)
    free = _best_overlap(grid.decode(outputs.detach()), objects) <= ignore_iou
    one = outputs.new_tensor(1.0)
    importance = free.to(outputs).index_put(where, one)
    targets = torch.zeros_like(importance).index_put(where, one)
    objectness = F.binary_cross_entropy_with_logits(
        outputs[..., OBJECTNESS], targets, importance, reduction="sum"
    )
    at_objects = outputs[where]
    classes = F.binary_cross_entropy_with_logits(
        at_objects[:, OBJECTNESS + 1 :], class_targets[where], reduction="sum"
    )
    box_targets = grid.encode(to_centres(matches.truths), matches.boxes)
    centres = F.binary_cross_entropy_with_logits(
        at_objects[:, :2], box_targets[:, :2], reduction="none"
    )
    sizes = (at_objects[:, 2:4] - box_targets[:, 2:]).square() / 2
    errors = centres.sum(dim=1) + sizes.sum(dim=1)
    localization = (_size_weight(matches.truths, size) * errors).sum()
    sums = {"localization": localization, "objectness": objectness, "classification": classes}
    return Losses.of(sums, weight=len(objects), num_matches=len(matches.labels))


def _match_boxes(grid: AnchorGrid, objects: Sequence[Objects], size: tuple[int, int]) -> BoxMatches:
    """Find the responsible boxes of each image; the thinnest objects have none."""
    height, width = size
    matches = []
    for image, (truths, labels) in enumerate(objects):
        centres = to_centres(truths)
        sides = centres[:, 2:] / centres.new_tensor([width, height])
        wide = (sides >= THINNEST).all(dim=1)
        boxes, chosen = grid.responsible_boxes(centres[wide])
        images = torch.full_like(boxes, image)
        matches.append(BoxMatches(images, boxes, truths[wide][chosen], labels[wide][chosen]))
    return BoxMatches(*(torch.cat(columns) for columns in zip(*matches, strict=True)))


def _last_of_each_box(matches: BoxMatches) -> BoxMatches:
    """Select the last pair of each box."""
    same = (matches.images[:, None] == matches.images) & (matches.boxes[:, None] == matches.boxes)
    return matches.select(~same.triu(diagonal=1).any(dim=1))


def _best_overlap(
    boxes: Float[Tensor, "b boxes 4"], objects: Sequence[Objects]
) -> Float[Tensor, "b boxes"]:
    """Compute the greatest IoU of each box with the objects of its image."""
    nothing = boxes.new_zeros(boxes.shape[1], 1)
    return torch.stack(
        [
            torch.cat([nothing, pairwise_iou(of_image, shown.boxes)], dim=1).amax(dim=1)
            for of_image, shown in zip(boxes, objects, strict=True)
        ]
    )


def _size_weight(truths: Float[Tensor, "n 4"], size: tuple[int, int]) -> Float[Tensor, " n"]:
    """Weigh objects by 2 minus their share of the image: small ones weigh more."""
    height, width = size
    return 2 - to_centres(truths)[:, 2:].prod(dim=1) / (height * width)
