"""YOLO: one network that predicts boxes and classes for each cell of a grid, and its loss.

Redmon et al. 2016, "You Only Look Once: Unified, Real-Time Object Detection". Where the paper and
darknet differ (cfg/yolov1.cfg, src/detection_layer.c), this is as darknet: convolutions have a
batch norm; the loss (equation 3) is the one whose gradient is darknet's `delta`, half the paper's
sum of squares.

Simpler than there: of several objects in a cell the first annotated one is trained on, where
darknet draws one at random.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone
from singleshot.backbones.darknet import conv
from singleshot.backbones.darknet_layers import LEAK, DarknetConvolution
from singleshot.boxes.geometry import (
    from_unit,
    pairwise_iou,
    to_centres,
    to_corners,
    to_unit,
)
from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING, PostprocessOptions
from singleshot.detectors.common.single_size import InputOptions
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.yolo.letterbox import YoloDetector, feature_grids, select_likely
from singleshot.detectors.yolo.losses import LossWeights
from singleshot.detectors.yolo.settings import YoloAspect, YoloV1Settings
from singleshot.structures import Batch, Detections, Objects, objects_of

__all__ = ["CellOutputs", "YoloV1", "cell_losses", "match_cells", "unit_boxes"]

NUMBERS = 4  # of a box
PAPER_WEIGHTS = LossWeights(coordinates=5.0, objectness=1.0, no_object=0.5, classes=1.0)  # §2.2
THINNEST = 0.005  # of an image's side; objects thinner than this are left out (src/data.c)


class CellOutputs(NamedTuple):
    """Outputs for each cell, as plain numbers; cells go row by row."""

    classes: Float[Tensor, "b cells classes"]  # P(class | object)
    confidence: Float[Tensor, "b cells boxes"]  # P(object) · IoU
    boxes: Float[Tensor, "b cells boxes 4"]  # x, y in the cell, √w, √h of the image


class CellMatches(NamedTuple):
    """Cells that hold the middle of an object, and the object."""

    images: Int[Tensor, " n"]
    cells: Int[Tensor, " n"]
    boxes: Float[Tensor, "n 4"]  # x, y in the cell, w, h of the image
    labels: Int[Tensor, " n"]


class LocallyConnected(nn.Module):
    """A 3 × 3 convolution with separate weights at each position, and leaky (src/local_layer.c)."""

    def __init__(self, in_channels: int, channels: int, grid: tuple[int, int]) -> None:
        """`grid` is (rows, columns) of the maps."""
        super().__init__()
        rows, columns = grid
        self.weight = nn.Parameter(torch.empty(rows * columns, channels, 9 * in_channels))
        self.bias = nn.Parameter(torch.zeros(channels, rows, columns))
        nn.init.normal_(self.weight, std=(2 / (9 * in_channels)) ** 0.5)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b channels h w"]:
        """Compute a map of the same size."""
        windows = F.unfold(features, 3, padding=1)
        outputs = torch.einsum("pck,bkp->bcp", self.weight, windows)
        return F.leaky_relu(outputs.reshape(-1, *self.bias.shape) + self.bias, LEAK)


class YoloV1(YoloDetector):
    """A detector with a grid of cells, each with some boxes and one set of classes."""

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        *,
        cells: tuple[int, int] = (7, 7),
        boxes_per_cell: int = 2,
        convolutions: bool = True,
        local: int = 0,
        fully_connected: Sequence[int] = (4096,),
        dropout: float = 0.5,
        weights: LossWeights = PAPER_WEIGHTS,
        aspect: YoloAspect = "stretch",
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        """`cells` are (rows, columns); `convolutions` adds the paper's last four.

        A locally connected layer after them has `local` channels; 0: there is none.
        """
        super().__init__(
            backbone, class_names, inputs, aspect=aspect, postprocessing=postprocessing
        )
        self.cells, self.boxes_per_cell, self.weights = cells, boxes_per_cell, weights
        channels = backbone.channels[-1]
        rows, columns = feature_grids(backbone, inputs.size)[-1]
        self.convolutions = nn.Sequential()
        if convolutions:
            self.convolutions = _last_four(channels)
            rows, columns = -(-rows // 2), -(-columns // 2)
        self.local = nn.Sequential()
        if local:
            self.local.append(LocallyConnected(channels, local, (rows, columns)))
            channels = local
        widths = [channels * rows * columns, *fully_connected]
        self.layers = nn.Sequential(*map(_leaky_linear, widths, widths[1:]))
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(widths[-1], math.prod(cells) * self.per_cell)
        nn.init.normal_(self.last.weight, std=0.01)
        nn.init.zeros_(self.last.bias)

    @classmethod
    def from_settings(
        cls, settings: YoloV1Settings, backbone: Backbone, class_names: Sequence[str]
    ) -> "YoloV1":
        """Build the detector of a recipe; weights other than the backbone's are random."""
        return cls(
            backbone,
            class_names,
            InputOptions.from_settings(settings),
            cells=settings.cells,
            boxes_per_cell=settings.boxes_per_cell,
            convolutions=settings.convolutions,
            local=settings.local,
            fully_connected=settings.fully_connected,
            dropout=settings.dropout,
            weights=LossWeights.from_settings(settings.weights),
            aspect=settings.aspect,
            postprocessing=PostprocessOptions.from_settings(settings.results),
        )

    @property
    def per_cell(self) -> int:
        """Outputs for a cell."""
        return len(self.class_names) + self.boxes_per_cell * (1 + NUMBERS)

    @property
    def num_boxes(self) -> int:
        """Cells times boxes per cell."""
        return self.last.out_features // self.per_cell * self.boxes_per_cell

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The backbone, and the layers added to it."""
        added = [self.convolutions, self.local, self.layers, self.last]
        return {"backbone": self.backbone, "heads": nn.ModuleList(added)}

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b numbers"]:
        """Compute classes of all cells, then confidence, then coordinates of all boxes."""
        features = self.convolutions(self.backbone(self.normalise(images))[-1])
        flat = self.layers(self.local(features).flatten(start_dim=1))
        numbers: Tensor = self.last(self.dropout(flat))
        return numbers

    def predict_cells(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> CellOutputs:
        """Compute the outputs, arranged by cell."""
        numbers = self(images).float()
        cells, boxes = math.prod(self.cells), self.boxes_per_cell
        sizes = [cells * len(self.class_names), cells * boxes, cells * boxes * NUMBERS]
        classes, confidence, coordinates = numbers.split_with_sizes(sizes, dim=1)
        return CellOutputs(
            classes.reshape(-1, cells, len(self.class_names)),
            confidence.reshape(-1, cells, boxes),
            coordinates.reshape(-1, cells, boxes, NUMBERS),
        )

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Half the squared errors of each cell's boxes, confidence and classes."""
        del prepared
        outputs = self.predict_cells(batch.images)
        objects = [objects_of(truth, batch.images.device) for truth in batch.truths]
        return cell_losses(
            outputs,
            objects,
            cells=self.cells,
            size=self.input_size,
            weights=self.weights,
        )

    def score_boxes(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Score every box for every class of its cell: confidence times class (equation 1).

        These are plain numbers, not probabilities: above 1 they count as 1; of two negative ones
        the product is positive, as in darknet.
        """
        outputs = self.predict_cells(images)
        scores = (outputs.confidence[..., None] * outputs.classes[:, :, None]).clamp(max=1)
        boxes = from_unit(to_corners(self.boxes_unit(outputs)), self.input_size)
        threshold = self.postprocess_options.score_threshold
        return [
            select_likely(of_image, each, threshold)
            for of_image, each in zip(boxes.flatten(1, 2), scores.flatten(1, 2), strict=True)
        ]

    def boxes_unit(self, outputs: CellOutputs) -> Float[Tensor, "b cells boxes 4"]:
        """Compute centres and sizes of all boxes as fractions of the image."""
        rows, columns = self.cells
        row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        corner = torch.stack([column / columns, row / rows], dim=-1).reshape(-1, 1, 2)
        boxes = unit_boxes(outputs.boxes, self.cells)
        return boxes + F.pad(corner, (0, 2)).to(boxes)


def _last_four(channels: int) -> nn.Sequential:
    """Create the paper's convolutions for detection (fig. 3); the second halves the map."""
    return nn.Sequential(
        DarknetConvolution(channels, conv(channels)),
        DarknetConvolution(channels, conv(channels, stride=2)),
        DarknetConvolution(channels, conv(channels)),
        DarknetConvolution(channels, conv(channels)),
    )


def _leaky_linear(width: int, outputs: int) -> nn.Sequential:
    """Create a fully connected layer with its activation."""
    return nn.Sequential(nn.Linear(width, outputs), nn.LeakyReLU(LEAK, inplace=True))


def cell_losses(
    outputs: CellOutputs,
    objects: Sequence[Objects],
    *,
    cells: tuple[int, int],
    size: tuple[int, int],
    weights: LossWeights,
) -> Losses:
    """Compute half the sum of squared errors, on average over the images (equation 3).

    The targets of a cell with an object are its class, and for one of its boxes the coordinates,
    with the overlap as confidence; the confidence of all other boxes should be 0.
    """
    matches = match_cells(objects, cells, size)
    where = (matches.images, matches.cells)
    with torch.no_grad():
        chosen, overlap = _responsible_boxes(outputs.boxes[where], matches, cells)
    box = (*where, chosen)
    nothing = torch.full_like(outputs.confidence, weights.no_object)
    importance = nothing.index_put(box, nothing.new_tensor(weights.objectness))
    targets = torch.zeros_like(outputs.confidence).index_put(box, overlap)
    confidence = (importance * (outputs.confidence - targets).square()).sum()
    shown = F.one_hot(matches.labels, outputs.classes.shape[-1])
    classes = weights.classes * (outputs.classes[where] - shown).square().sum()
    coordinates = torch.cat([matches.boxes[:, :2], matches.boxes[:, 2:].sqrt()], dim=1)
    localization = weights.coordinates * (outputs.boxes[box] - coordinates).square().sum()
    sums = {
        "localization": localization / 2,
        "objectness": confidence / 2,
        "classification": classes / 2,
    }
    return Losses.of(sums, weight=len(objects), num_matches=len(matches.labels))


def match_cells(
    objects: Sequence[Objects], cells: tuple[int, int], size: tuple[int, int]
) -> CellMatches:
    """Match each cell to the first object whose middle it holds; the thinnest are left out."""
    rows, columns = cells
    matches = []
    for image, shown in enumerate(objects):
        all_boxes = to_centres(to_unit(shown.boxes, size))
        wide = (all_boxes[:, 2:] >= THINNEST).all(dim=1)
        boxes, labels = all_boxes[wide], shown.labels[wide]
        middle = boxes[:, :2] * boxes.new_tensor([columns, rows])
        last = middle.new_tensor([columns - 1, rows - 1])
        corner = middle.floor().clamp(min=0).minimum(last)
        cell = (corner[:, 1] * columns + corner[:, 0]).long()
        first = _first_of_each(cell)
        inside = torch.cat([middle - corner, boxes[:, 2:]], dim=1)
        images = torch.full_like(cell, image)
        matches.append(CellMatches(*(part[first] for part in (images, cell, inside, labels))))
    return CellMatches(*(torch.cat(parts) for parts in zip(*matches, strict=True)))


def _first_of_each(numbers: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Mark the first of equal numbers."""
    return ~(numbers[:, None] == numbers).tril(diagonal=-1).any(dim=1)


def _responsible_boxes(
    outputs: Float[Tensor, "n boxes 4"], matches: CellMatches, cells: tuple[int, int]
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Choose the box of each cell that is trained on the object, and compute its overlap.

    The one that overlaps most; where none does, the one nearest in position and size, by the square
    root of summed squares.
    """
    boxes, truths = unit_boxes(outputs, cells), unit_centres(matches.boxes, cells)
    overlap = pairwise_iou(to_corners(boxes), to_corners(truths)[:, None])[..., 0]
    distance = (boxes - truths[:, None]).square().sum(dim=-1)
    most, best = overlap.max(dim=1)
    best = torch.where(most > 0, best, distance.argmin(dim=1))
    return best, overlap.gather(1, best[:, None])[:, 0]


def unit_boxes(
    outputs: Float[Tensor, "*b boxes 4"], cells: tuple[int, int]
) -> Float[Tensor, "*b boxes 4"]:
    """Convert outputs to centres, from their cell's corner, and sizes; fractions of the image."""
    return unit_centres(torch.cat([outputs[..., :2], outputs[..., 2:].square()], dim=-1), cells)


def unit_centres(boxes: Float[Tensor, "*b 4"], cells: tuple[int, int]) -> Float[Tensor, "*b 4"]:
    """Convert x, y in cells to fractions of the image."""
    rows, columns = cells
    return boxes / boxes.new_tensor([columns, rows, 1, 1])
