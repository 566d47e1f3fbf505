"""What a grid of cells costs that says the wrong thing (Redmon et al. 2016, equation 3).

As darknet trains it (src/detection_layer.c, `forward_detection_layer`): the loss whose gradient is
its `delta`, half the paper's sum of squares.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.boxes.geometry import pairwise_iou, to_centres, to_corners, to_unit
from singleshot.detectors.detector import Losses
from singleshot.detectors.rcnn.region_sampling import Objects
from singleshot.detectors.yolo.settings import YoloV1Settings

__all__ = ["Said", "cell_losses", "unit_boxes"]

THINNEST = 0.005  # of an image's side; objects thinner than this are left out (src/data.c)


class Said(NamedTuple):
    """What the network says of each cell, as plain numbers; cells go row by row."""

    classes: Float[Tensor, "b cells classes"]  # P(class | object)
    confidence: Float[Tensor, "b cells boxes"]  # P(object) · IoU
    boxes: Float[Tensor, "b cells boxes 4"]  # x, y in the cell, √w, √h of the image


class Tasks(NamedTuple):
    """Cells that hold the middle of an object, and the object."""

    images: Int[Tensor, " n"]
    cells: Int[Tensor, " n"]
    boxes: Float[Tensor, "n 4"]  # x, y in the cell, w, h of the image
    labels: Int[Tensor, " n"]


def cell_losses(said: Said, objects: Sequence[Objects], settings: YoloV1Settings) -> Losses:
    """Half the sum of squares, on average over the images.

    Each cell with an object is to say its class, and one of its boxes where it is; that box's
    confidence is to be its overlap, and 0 is what all others' are to be.
    """
    tasks = tasks_of(objects, settings.cells, settings.input)
    weights = settings.weights
    place = (tasks.images, tasks.cells)
    with torch.no_grad():
        chosen, overlap = responsible(said.boxes[place], tasks, settings.cells)
    place_of_box = (*place, chosen)
    nothing = torch.full_like(said.confidence, weights.no_object)
    importance = nothing.index_put(place_of_box, nothing.new_tensor(weights.objectness))
    wanted = torch.zeros_like(said.confidence).index_put(place_of_box, overlap)
    confidence = (importance * (said.confidence - wanted).square()).sum()
    shown = F.one_hot(tasks.labels, said.classes.shape[-1])
    classes = weights.classes * (said.classes[place] - shown).square().sum()
    aim = torch.cat([tasks.boxes[:, :2], tasks.boxes[:, 2:].sqrt()], dim=1)
    where = weights.coordinates * (said.boxes[place_of_box] - aim).square().sum()
    sums = {"localization": where / 2, "objectness": confidence / 2, "classification": classes / 2}
    return Losses.of(sums, weight=len(objects), num_matches=len(tasks.labels))


def tasks_of(objects: Sequence[Objects], cells: tuple[int, int], size: tuple[int, int]) -> Tasks:
    """The first object whose middle is in each cell; the thinnest are left out."""
    rows, columns = cells
    found = []
    for image, shown in enumerate(objects):
        all_boxes = to_centres(to_unit(shown.boxes, size))
        wide = (all_boxes[:, 2:] >= THINNEST).all(dim=1)
        boxes, labels = all_boxes[wide], shown.labels[wide]
        place = boxes[:, :2] * boxes.new_tensor([columns, rows])
        last = place.new_tensor([columns - 1, rows - 1])
        corner = place.floor().clamp(min=0).minimum(last)
        cell = (corner[:, 1] * columns + corner[:, 0]).long()
        first = first_of_each(cell)
        inside = torch.cat([place - corner, boxes[:, 2:]], dim=1)
        images = torch.full_like(cell, image)
        found.append(Tasks(*(part[first] for part in (images, cell, inside, labels))))
    return Tasks(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def first_of_each(numbers: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Marks those that none before equals."""
    return ~(numbers[:, None] == numbers).tril(diagonal=-1).any(dim=1)


def responsible(
    said: Float[Tensor, "n boxes 4"], tasks: Tasks, cells: tuple[int, int]
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """The box of each cell that is to learn the object, and its overlap.

    The one that overlaps most; where none does, the one nearest in place and size, in the square
    root of summed squares.
    """
    boxes, truths = unit_boxes(said, cells), unit_centres(tasks.boxes, cells)
    overlap = pairwise_iou(to_corners(boxes), to_corners(truths)[:, None])[..., 0]
    apart = (boxes - truths[:, None]).square().sum(dim=-1)
    most, best = overlap.max(dim=1)
    best = torch.where(most > 0, best, apart.argmin(dim=1))
    return best, overlap.gather(1, best[:, None])[:, 0]


def unit_boxes(
    said: Float[Tensor, "*b boxes 4"], cells: tuple[int, int]
) -> Float[Tensor, "*b boxes 4"]:
    """Centres and sizes as fractions of the image, centres counted from their cell's corner."""
    return unit_centres(torch.cat([said[..., :2], said[..., 2:].square()], dim=-1), cells)


def unit_centres(boxes: Float[Tensor, "*b 4"], cells: tuple[int, int]) -> Float[Tensor, "*b 4"]:
    """x, y in cells become fractions of the image."""
    rows, columns = cells
    return boxes / boxes.new_tensor([columns, rows, 1, 1])
