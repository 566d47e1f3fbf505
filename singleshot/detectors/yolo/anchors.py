"""Boxes relative to a cell and an anchor, as in YOLO from version 2 on, and k-means anchors."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from singleshot.boxes.geometry import to_corners
from singleshot.errors import DataError

__all__ = ["AnchorGrid", "GridLevel", "flatten_predictions", "k_means_anchors", "shape_iou"]

OBJECTNESS = 4  # column of a box's numbers; its four coordinates come before, its classes after
LARGEST = 10.0  # log(size / anchor): no image is so large, and exp does not overflow


class GridLevel(NamedTuple):
    """A level of an `AnchorGrid`."""

    first: int  # number of its first box
    grid: tuple[int, int]  # rows, columns
    mask: tuple[int, ...]  # numbers of its anchors


class AnchorGrid(nn.Module):
    """All boxes of an image: level by level, anchor by anchor, then row by row, as in Darknet."""

    cells: Float[Tensor, "boxes 2"]  # column and row
    strides: Float[Tensor, "boxes 2"]  # pixels across and down between cells
    anchors: Float[Tensor, "boxes 2"]  # width and height in pixels
    all_anchors: Float[Tensor, "anchors 2"]

    def __init__(
        self,
        grids: Sequence[tuple[int, int]],
        anchors: Sequence[tuple[float, float]],
        masks: Sequence[tuple[int, ...]],
        size: tuple[int, int],
    ) -> None:
        """`size` is the input's (height, width); `masks` number the anchors of each grid."""
        super().__init__()
        height, width = size
        shapes = torch.tensor(anchors)
        cells: list[Tensor] = []
        strides: list[Tensor] = []
        sizes: list[Tensor] = []
        self.levels: list[GridLevel] = []
        for (rows, columns), mask in zip(grids, masks, strict=True):
            self.levels.append(GridLevel(sum(len(cell) for cell in cells), (rows, columns), mask))
            row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            cell = torch.stack([column, row], dim=-1).reshape(-1, 2).repeat(len(mask), 1)
            cells.append(cell.float())
            strides.append(torch.tensor([width / columns, height / rows]).expand(len(cell), 2))
            sizes.append(shapes[list(mask)].repeat_interleave(rows * columns, dim=0))
        # They follow from the recipe: a checkpoint need not hold them.
        self.register_buffer("cells", torch.cat(cells), persistent=False)
        self.register_buffer("strides", torch.cat(strides), persistent=False)
        self.register_buffer("anchors", torch.cat(sizes), persistent=False)
        self.register_buffer("all_anchors", shapes, persistent=False)

    def __len__(self) -> int:
        return len(self.cells)

    def decode(self, outputs: Float[Tensor, "*b boxes columns"]) -> Float[Tensor, "*b boxes 4"]:
        """Decode corners in pixels of the input (Redmon and Farhadi 2017, §2, "Direct location …").

        b = (σ(t_xy) + cell) · stride, and anchor · exp(t_wh) wide and high.
        """
        centres = (outputs[..., :2].sigmoid() + self.cells) * self.strides
        sizes = outputs[..., 2:4].clamp(max=LARGEST).exp() * self.anchors
        return to_corners(torch.cat([centres, sizes], dim=-1))

    def encode(
        self, boxes_cxcywh: Float[Tensor, "n 4"], indices: Int[Tensor, " n"]
    ) -> Float[Tensor, "n 4"]:
        """Encode boxes at these indices of the grid: σ(t_xy) and t_wh."""
        centres = boxes_cxcywh[:, :2] / self.strides[indices] - self.cells[indices]
        return torch.cat([centres, (boxes_cxcywh[:, 2:] / self.anchors[indices]).log()], dim=1)

    def responsible_boxes(
        self, boxes_cxcywh: Float[Tensor, "n 4"]
    ) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
        """Match boxes to objects: of the cell with the object's middle, the anchor of greatest IoU.

        Returns indices of boxes and of objects; a level without that anchor has no box for it.
        """
        best = shape_iou(boxes_cxcywh[:, 2:], self.all_anchors).argmax(dim=1)
        boxes, truths = [], []
        for first, (rows, columns), mask in self.levels:
            is_best = best[:, None] == torch.tensor(mask, device=best.device)
            truth, anchor = is_best.nonzero(as_tuple=True)
            last = self.cells.new_tensor([columns - 1, rows - 1])
            cell = boxes_cxcywh[truth, :2] / self.strides[first]
            column, row = cell.floor().clamp(min=0).minimum(last).long().unbind(dim=1)
            boxes.append(first + (anchor * rows + row) * columns + column)
            truths.append(truth)
        return torch.cat(boxes), torch.cat(truths)


def flatten_predictions(
    maps: Sequence[Float[Tensor, "b _ _ _"]], num_columns: int
) -> Float[Tensor, "b boxes columns"]:
    """Reshape the predictions of each level, anchor by anchor, to rows of an `AnchorGrid`."""
    levels = []
    for level in maps:
        batch, _, rows, columns = level.shape
        by_anchor = level.reshape(batch, -1, num_columns, rows, columns)
        levels.append(by_anchor.permute(0, 1, 3, 4, 2).flatten(1, 3))
    return torch.cat(levels, dim=1)


def shape_iou(sizes: Float[Tensor, "n 2"], others: Float[Tensor, "m 2"]) -> Float[Tensor, "n m"]:
    """Compute the IoU of every (width, height) with every other, around one middle."""
    intersection = torch.minimum(sizes[:, None], others).prod(dim=-1)
    return intersection / (sizes.prod(dim=-1)[:, None] + others.prod(dim=-1) - intersection)


def k_means_anchors(
    sizes: Float[Tensor, "n 2"], number: int, random: torch.Generator, *, trials: int = 10
) -> tuple[Float[Tensor, "number 2"], float]:
    """Cluster (width, height) of objects into anchors, smallest first, and measure their fit.

    k-means with the distance 1 - IoU, so that large boxes err no more than small ones (Redmon and
    Farhadi 2017, §2, "Dimension Clusters"); the fit is the average overlap with the nearest anchor,
    0.61 for five of VOC's in the paper (table 1). The best of some trials, each from other objects.
    Sizes are in pixels of the network's input, where `model.anchors` are. Raises DataError for
    fewer different sizes than anchors.
    """
    sizes = sizes[(sizes > 0).all(dim=1)]
    different = torch.unique(sizes, dim=0)
    if len(different) < number:
        raise DataError(f"{number} anchors from {len(different)} different sizes of objects")
    clusterings = []
    for _ in range(trials):
        first = different[torch.randperm(len(different), generator=random)[:number]]
        anchors = _k_means(sizes, first)
        clusterings.append((float(shape_iou(sizes, anchors).amax(dim=1).mean()), anchors))
    fit, anchors = max(clusterings, key=lambda pair: pair[0])
    return anchors[anchors.prod(dim=1).argsort()], fit


def _k_means(sizes: Float[Tensor, "n 2"], anchors: Float[Tensor, "m 2"]) -> Float[Tensor, "m 2"]:
    """Move each anchor to the mean of the sizes nearest to it, until none changes its anchor."""
    nearest = None
    for _ in range(1000):  # means under another distance might go round in a circle
        before, nearest = nearest, shape_iou(sizes, anchors).argmax(dim=1)
        if before is not None and torch.equal(before, nearest):
            break
        members = nearest == torch.arange(len(anchors))[:, None]
        counts = members.sum(dim=1, keepdim=True)
        means = (members.to(sizes) @ sizes) / counts.clamp(min=1)
        anchors = torch.where(counts > 0, means, anchors)
    return anchors
