"""What boxes that say the wrong thing cost, as darknet trains YOLO from version 2 on.

darknet has no loss but gradients: each layer writes `delta`, how its numbers should move
(src/region_layer.c, src/yolo_layer.c). Here are losses with those gradients. Both are sums over the
boxes of an image, and means over images.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.boxes.geometry import pairwise_iou, to_centres
from singleshot.detectors.detector import Losses
from singleshot.detectors.rcnn.region_sampling import Objects
from singleshot.detectors.yolo.anchors import OBJECTNESS, AnchorGrid
from singleshot.detectors.yolo.settings import RegionLayerSettings

__all__ = ["logistic_losses", "region_losses"]

THINNEST = 0.001  # of an image's side; objects thinner than this are left out (src/data.c)
SETTLING = 0.01  # weight of the pull towards anchors (region_layer.c)

Said = Float[Tensor, "b boxes columns"]
ClassCosts = Callable[[Float[Tensor, "n classes"], Int[Tensor, " n"]], Float[Tensor, " n"]]


class Tasks(NamedTuple):
    """Which boxes of a batch tell of which objects; all columns have one entry for each pair."""

    images: Int[Tensor, " n"]
    boxes: Int[Tensor, " n"]  # of the grid
    truths: Float[Tensor, "n 4"]  # corners in pixels of the input
    labels: Int[Tensor, " n"]

    def kept(self, keep: Bool[Tensor, " n"]) -> "Tasks":
        """Some of them."""
        return Tasks(*(column[keep] for column in self))


def region_losses(
    said: Said,
    grid: AnchorGrid,
    objects: Sequence[Objects],
    settings: RegionLayerSettings,
    class_costs: ClassCosts,
    *,
    settling: bool,
) -> Losses:
    """Those of a `[region]` layer (`forward_region_layer`; Redmon and Farhadi 2017, §2).

    Halved squares of what σ(t_xy), t_wh and σ(objectness) lack, and `class_costs`. Where a box is
    responsible for two objects, the later one counts.
    """
    weights = settings.weights
    boxes = grid.decode(said.detach())
    tasks = last_of_each_box(tasks_of(grid, objects, settings.input))
    place = (tasks.images, tasks.boxes)
    overlap = pairwise_iou(boxes[place][:, None], tasks.truths[:, None])[:, 0, 0]
    if settings.objectness == "one":
        overlap = torch.ones_like(overlap)
    free = best_overlap(boxes, objects) <= settings.ignore_iou
    importance = (weights.no_object * free).index_put(place, said.new_tensor(weights.objectness))
    wanted = torch.zeros_like(importance).index_put(place, overlap)
    lack = said[..., OBJECTNESS].sigmoid() - wanted
    objectness = (importance * lack.square()).sum() / 2
    classes = weights.classes * class_costs(said[place][:, OBJECTNESS + 1 :], tasks.labels).sum()

    pull = torch.full_like(importance, SETTLING if settling else 0.0)
    pull = pull.index_put(place, weights.coordinates * smallness(tasks.truths, settings.input))
    middle = said.new_tensor([0.5, 0.5, 0.0, 0.0]).expand(*importance.shape, 4)
    wanted_boxes = middle.index_put(place, grid.encode(to_centres(tasks.truths), tasks.boxes))
    where = torch.cat([said[..., :2].sigmoid(), said[..., 2:4]], dim=-1)
    apart = (where - wanted_boxes).square().sum(dim=-1)
    localization = (pull * apart).sum() / 2
    sums = {"localization": localization, "objectness": objectness, "classification": classes}
    return Losses.of(sums, weight=len(objects), num_matches=len(tasks.labels))


def logistic_losses(
    said: Said,
    grid: AnchorGrid,
    objects: Sequence[Objects],
    size: tuple[int, int],
    ignore_iou: float,
) -> Losses:
    """Those of `[yolo]` layers (`forward_yolo_layer`; Redmon and Farhadi 2018, §2).

    Binary cross-entropy of objectness and of every class, halved squares of what t_wh lack. For
    t_xy the paper says a sum of squares; the code's gradient, σ(t_xy) less what it should be, is
    that of a cross-entropy, and so it is here. Where a box is responsible for several objects, it
    is of all their classes, where the last one is.
    """
    tasks = tasks_of(grid, objects, size)
    wanted_classes = torch.zeros_like(said[..., OBJECTNESS + 1 :])
    wanted_classes[tasks.images, tasks.boxes, tasks.labels] = 1.0
    tasks = last_of_each_box(tasks)
    place = (tasks.images, tasks.boxes)
    free = best_overlap(grid.decode(said.detach()), objects) <= ignore_iou
    one = said.new_tensor(1.0)
    importance = free.to(said).index_put(place, one)
    wanted = torch.zeros_like(importance).index_put(place, one)
    surprise = F.binary_cross_entropy_with_logits(
        said[..., OBJECTNESS], wanted, importance, reduction="sum"
    )
    at_objects = said[place]
    classes = F.binary_cross_entropy_with_logits(
        at_objects[:, OBJECTNESS + 1 :], wanted_classes[place], reduction="sum"
    )
    aim = grid.encode(to_centres(tasks.truths), tasks.boxes)
    centres = F.binary_cross_entropy_with_logits(at_objects[:, :2], aim[:, :2], reduction="none")
    sizes = (at_objects[:, 2:4] - aim[:, 2:]).square() / 2
    apart = centres.sum(dim=1) + sizes.sum(dim=1)
    localization = (smallness(tasks.truths, size) * apart).sum()
    sums = {"localization": localization, "objectness": surprise, "classification": classes}
    return Losses.of(sums, weight=len(objects), num_matches=len(tasks.labels))


def tasks_of(grid: AnchorGrid, objects: Sequence[Objects], size: tuple[int, int]) -> Tasks:
    """The responsible boxes of each image; the thinnest objects have none."""
    height, width = size
    tasks = []
    for image, (truths, labels) in enumerate(objects):
        centres = to_centres(truths)
        sides = centres[:, 2:] / centres.new_tensor([width, height])
        wide = (sides >= THINNEST).all(dim=1)
        boxes, chosen = grid.responsible(centres[wide])
        images = torch.full_like(boxes, image)
        tasks.append(Tasks(images, boxes, truths[wide][chosen], labels[wide][chosen]))
    return Tasks(*(torch.cat(columns) for columns in zip(*tasks, strict=True)))


def last_of_each_box(tasks: Tasks) -> Tasks:
    """Of pairs with one box, the last."""
    same = (tasks.images[:, None] == tasks.images) & (tasks.boxes[:, None] == tasks.boxes)
    return tasks.kept(~same.triu(diagonal=1).any(dim=1))


def best_overlap(
    boxes: Float[Tensor, "b boxes 4"], objects: Sequence[Objects]
) -> Float[Tensor, "b boxes"]:
    """Of each box with any object of its image."""
    nothing = boxes.new_zeros(boxes.shape[1], 1)
    return torch.stack(
        [
            torch.cat([nothing, pairwise_iou(said, shown.boxes)], dim=1).amax(dim=1)
            for said, shown in zip(boxes, objects, strict=True)
        ]
    )


def smallness(truths: Float[Tensor, "n 4"], size: tuple[int, int]) -> Float[Tensor, " n"]:
    """2 less the part of the image that an object takes: small ones weigh more."""
    height, width = size
    return 2 - to_centres(truths)[:, 2:].prod(dim=1) / (height * width)
