"""YOLOv2: boxes relative to anchors that were found by clustering, on Darknet-19.

Redmon and Farhadi 2017, "YOLO9000: Better, Faster, Stronger"; the numbers are darknet's
(cfg/yolov2-voc.cfg, src/region_layer.c).

Simpler than there: images keep one size throughout the training, where darknet takes another from
320 to 608 every ten steps; all objects of an image are learned, where it takes 30 at most.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone
from singleshot.backbones.darknet import conv
from singleshot.backbones.darknet_layers import DarknetConvolution, space_to_depth
from singleshot.backbones.initial import small_convolution
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.rcnn.region_sampling import objects_of
from singleshot.detectors.yolo.anchors import OBJECTNESS, AnchorGrid, flattened
from singleshot.detectors.yolo.detector import YoloDetector, feature_grids, likely
from singleshot.detectors.yolo.losses import region_losses
from singleshot.detectors.yolo.settings import RegionLayerSettings
from singleshot.errors import ModelError
from singleshot.structures import Batch, Detections

__all__ = ["YoloV2"]


class Passthrough(nn.Module):
    """Two 3 × 3 convolutions, then a third that also sees the finer map (§2).

    That one is squeezed to an eighth of its channels and space_to_depth to the coarser one's size.
    """

    def __init__(self, finer: int, channels: int, stride: int) -> None:
        """Maps of `finer` and of `channels`, the first `stride` times as high and wide."""
        super().__init__()
        # A multiple of stride², as reorganising wants it: 64 of Darknet-19's 512.
        squeezed = max(finer // 8 // stride**2, 1) * stride**2
        self.stride = stride
        self.deep = nn.Sequential(
            DarknetConvolution(channels, conv(channels)),
            DarknetConvolution(channels, conv(channels)),
        )
        self.fine = DarknetConvolution(finer, conv(squeezed, 1))
        self.joined = DarknetConvolution(channels + squeezed * stride**2, conv(channels))

    def forward(self, finer: Tensor, features: Tensor) -> Tensor:
        """As many channels as the coarser map."""
        fine = space_to_depth(self.fine(finer), self.stride)
        joined: Tensor = self.joined(torch.cat([fine, self.deep(features)], dim=1))
        return joined


class YoloV2(YoloDetector):
    """One feature map; at each cell a box for every anchor."""

    settings: RegionLayerSettings

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: RegionLayerSettings
    ) -> None:
        """Raises ModelError for an input whose feature maps do not fit each other."""
        super().__init__(backbone, class_names, settings)
        cells = feature_grids(backbone, settings.input)
        self.neck: Passthrough | None = None
        channels = backbone.channels[-1]
        if settings.neck == "passthrough":
            stride = stride_between(cells, settings.input)
            self.neck = Passthrough(backbone.channels[-2], channels, stride)
        anchors = range(len(settings.anchors))
        self.grid = AnchorGrid(cells[-1:], settings.anchors, [tuple(anchors)], settings.input)
        self.num_columns = OBJECTNESS + 1 + self.class_columns()
        self.head = small_convolution(channels, len(anchors) * self.num_columns)
        self.settling = False

    def class_columns(self) -> int:
        """Numbers that a box has for its class."""
        return len(self.class_names)

    @property
    def num_boxes(self) -> int:
        """Cells times anchors."""
        return len(self.grid)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The network that was a classifier, and what is added to it."""
        added = [self.head] if self.neck is None else [self.neck, self.head]
        return {"backbone": self.backbone, "heads": nn.ModuleList(added)}

    def enter(self, part: float) -> None:
        """In the beginning all boxes are drawn to their anchors."""
        self.settling = part < self.settings.settle_until

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b boxes columns"]:
        """t_x, t_y, t_w, t_h, the logit of objectness, and logits of classes."""
        maps = self.backbone(self.normalised(images))
        features = maps[-1] if self.neck is None else self.neck(*maps[-2:])
        return flattened([self.head(features)], self.num_columns)

    def class_costs(
        self, logits: Float[Tensor, "n columns"], labels: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """The cross-entropy of the softmax: darknet's delta is its gradient."""
        return F.cross_entropy(logits, labels, reduction="none")

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Squared errors of boxes and objectness, and cross-entropies of classes."""
        del prepared
        said = self(batch.images).float()
        objects = [objects_of(truth, said.device) for truth in batch.truths]
        return region_losses(
            said, self.grid, objects, self.settings, self.class_costs, settling=self.settling
        )

    def scored(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Every box with every class: objectness times the probability of the class."""
        said = self(images).float()
        boxes = self.grid.decode(said)
        return [self.judged(*of_image) for of_image in zip(boxes, said, strict=True)]

    def judged(
        self, boxes: Float[Tensor, "boxes 4"], said: Float[Tensor, "boxes columns"]
    ) -> Detections:
        """What an image's boxes say, above the threshold."""
        objectness = said[:, OBJECTNESS : OBJECTNESS + 1].sigmoid()
        scores = objectness * said[:, OBJECTNESS + 1 :].softmax(dim=1)
        return likely(boxes, scores, self.settings.results.score_threshold)


def stride_between(cells: Sequence[tuple[int, int]], size: tuple[int, int]) -> int:
    """How many cells of the last map but one stand for one of the last."""
    if len(cells) < 2:
        raise ModelError(
            "model.neck = 'passthrough' wants a backbone of two feature maps at least; give "
            "another backbone, or model.neck = 'none'"
        )
    (finer, columns), (rows, across) = cells[-2:]
    stride = finer // rows
    if (finer, columns) != (rows * stride, across * stride):
        raise ModelError(
            f"model.input = {list(size)}: its feature maps have {finer} × {columns} and {rows} × "
            f"{across} cells, which do not fit each other; expected sides that divide by 32"
        )
    return stride
