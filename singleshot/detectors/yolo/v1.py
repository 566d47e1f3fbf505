"""YOLO: one network that says for each cell of a grid what is there and where, in one look.

Redmon et al. 2016, "You Only Look Once: Unified, Real-Time Object Detection". Where the paper and
darknet differ (cfg/yolov1.cfg, src/detection_layer.c), this is as darknet: convolutions have a
batch norm.

Simpler than there: of several objects in a cell the first annotated one is learned, where darknet
takes one at random.
"""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone
from singleshot.backbones.darknet import conv
from singleshot.backbones.darknet_layers import LEAK, DarknetConvolution
from singleshot.boxes.geometry import from_unit, to_corners
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.rcnn.region_sampling import objects_of
from singleshot.detectors.yolo.detector import YoloDetector, feature_grids, likely
from singleshot.detectors.yolo.settings import YoloV1Settings
from singleshot.detectors.yolo.v1_loss import Said, cell_losses, unit_boxes
from singleshot.structures import Batch, Detections

__all__ = ["YoloV1"]

NUMBERS = 4  # of a box


class LocallyConnected(nn.Module):
    """A 3 × 3 convolution with weights of its own at each place (src/local_layer.c), and leaky."""

    def __init__(self, in_channels: int, channels: int, grid: tuple[int, int]) -> None:
        """For maps of (rows, columns) `grid`."""
        super().__init__()
        rows, columns = grid
        self.weight = nn.Parameter(torch.empty(rows * columns, channels, 9 * in_channels))
        self.bias = nn.Parameter(torch.zeros(channels, rows, columns))
        nn.init.normal_(self.weight, std=(2 / (9 * in_channels)) ** 0.5)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b channels h w"]:
        """The same places."""
        windows = F.unfold(features, 3, padding=1)
        found = torch.einsum("pck,bkp->bcp", self.weight, windows)
        return F.leaky_relu(found.reshape(-1, *self.bias.shape) + self.bias, LEAK)


class YoloV1(YoloDetector):
    """A grid of cells, each with some boxes and one set of classes."""

    settings: YoloV1Settings

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: YoloV1Settings
    ) -> None:
        super().__init__(backbone, class_names, settings)
        channels = backbone.channels[-1]
        rows, columns = feature_grids(backbone, settings.input)[-1]
        self.convolutions = nn.Sequential()
        if settings.convolutions:
            self.convolutions = last_four(channels)
            rows, columns = -(-rows // 2), -(-columns // 2)
        self.local = nn.Sequential()
        if settings.local:
            self.local.append(LocallyConnected(channels, settings.local, (rows, columns)))
            channels = settings.local
        widths = [channels * rows * columns, *settings.fully_connected]
        self.layers = nn.Sequential(*map(leaky_linear, widths, widths[1:]))
        self.dropout = nn.Dropout(settings.dropout)
        self.last = nn.Linear(widths[-1], math.prod(settings.cells) * self.per_cell)
        nn.init.normal_(self.last.weight, std=0.01)
        nn.init.zeros_(self.last.bias)

    @property
    def per_cell(self) -> int:
        """Numbers that are said of a cell."""
        return len(self.class_names) + self.settings.boxes_per_cell * (1 + NUMBERS)

    @property
    def num_boxes(self) -> int:
        """Of all cells that the last layer speaks of."""
        return self.last.out_features // self.per_cell * self.settings.boxes_per_cell

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """What was a classifier, and what is added to it."""
        added = [self.convolutions, self.local, self.layers, self.last]
        return {"backbone": self.backbone, "heads": nn.ModuleList(added)}

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b numbers"]:
        """Classes of all cells, then the confidence of all boxes, then where these are."""
        features = self.convolutions(self.backbone(self.normalised(images))[-1])
        flat = self.layers(self.local(features).flatten(start_dim=1))
        numbers: Tensor = self.last(self.dropout(flat))
        return numbers

    def say(self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]) -> Said:
        """The same by cell."""
        numbers = self(images).float()
        cells, boxes = math.prod(self.settings.cells), self.settings.boxes_per_cell
        sizes = [cells * len(self.class_names), cells * boxes, cells * boxes * NUMBERS]
        classes, confidence, where = numbers.split_with_sizes(sizes, dim=1)
        return Said(
            classes.reshape(-1, cells, len(self.class_names)),
            confidence.reshape(-1, cells, boxes),
            where.reshape(-1, cells, boxes, NUMBERS),
        )

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Half the squared errors of each cell's boxes, confidence and classes."""
        del prepared
        said = self.say(batch.images)
        objects = [objects_of(truth, batch.images.device) for truth in batch.truths]
        return cell_losses(said, objects, self.settings)

    def scored(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Every box with every class of its cell.

        Confidence times class (equation 1). These are plain numbers, not probabilities: what is
        above 1 counts as 1; of two negative ones darknet takes the product, and so it is here.
        """
        said = self.say(images)
        scores = (said.confidence[..., None] * said.classes[:, :, None]).clamp(max=1)
        boxes = from_unit(to_corners(self.placed(said)), self.settings.input)
        threshold = self.settings.results.score_threshold
        return [
            likely(of_image, each, threshold)
            for of_image, each in zip(boxes.flatten(1, 2), scores.flatten(1, 2), strict=True)
        ]

    def placed(self, said: Said) -> Float[Tensor, "b cells boxes 4"]:
        """Centres and sizes of all boxes as fractions of the image."""
        rows, columns = self.settings.cells
        row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        corner = torch.stack([column / columns, row / rows], dim=-1).reshape(-1, 1, 2)
        boxes = unit_boxes(said.boxes, self.settings.cells)
        return boxes + F.pad(corner, (0, 2)).to(boxes)


def last_four(channels: int) -> nn.Sequential:
    """The paper's convolutions for detection (fig. 3); the second halves the map."""
    return nn.Sequential(
        DarknetConvolution(channels, conv(channels)),
        DarknetConvolution(channels, conv(channels, stride=2)),
        DarknetConvolution(channels, conv(channels)),
        DarknetConvolution(channels, conv(channels)),
    )


def leaky_linear(width: int, outputs: int) -> nn.Sequential:
    """A fully connected layer and its activation."""
    return nn.Sequential(nn.Linear(width, outputs), nn.LeakyReLU(LEAK, inplace=True))
