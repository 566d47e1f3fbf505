"""YOLOv2: boxes relative to anchors found by clustering, on Darknet-19.

Redmon and Farhadi 2017, "YOLO9000: Better, Faster, Stronger"; the numbers are darknet's
(cfg/yolov2-voc.cfg, src/region_layer.c).

Simpler than there: images keep one size throughout the training, where darknet takes another from
320 to 608 every ten steps; all objects of an image are trained on, where it takes 30 at most.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone
from singleshot.backbones.darknet import conv
from singleshot.backbones.darknet_layers import DarknetConvolution, space_to_depth
from singleshot.backbones.initial import small_convolution
from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING, PostprocessOptions
from singleshot.detectors.common.single_size import InputOptions
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.yolo.anchors import OBJECTNESS, AnchorGrid, flatten_predictions
from singleshot.detectors.yolo.letterbox import YoloDetector, feature_grids, select_likely
from singleshot.detectors.yolo.losses import LossWeights, region_losses
from singleshot.detectors.yolo.settings import RegionLayerSettings, YoloAspect, YoloV2Settings
from singleshot.errors import ModelError
from singleshot.structures import Batch, Detections, objects_of

__all__ = ["RegionLayerDetector", "RegionLayerOptions", "YoloV2"]


class Passthrough(nn.Module):
    """Two 3 × 3 convolutions, then a third with the finer map as a second input (§2).

    The finer map is reduced to an eighth of its channels and rearranged to the coarser size.
    """

    def __init__(self, finer: int, channels: int, stride: int) -> None:
        """`finer` and `channels` are those of both maps; the first is `stride` times as high."""
        super().__init__()
        # A multiple of stride², as rearranging needs it: 64 of Darknet-19's 512.
        squeezed = max(finer // 8 // stride**2, 1) * stride**2
        self.stride = stride
        self.deep = nn.Sequential(
            DarknetConvolution(channels, conv(channels)),
            DarknetConvolution(channels, conv(channels)),
        )
        self.fine = DarknetConvolution(finer, conv(squeezed, 1))
        self.joined = DarknetConvolution(channels + squeezed * stride**2, conv(channels))

    def forward(self, finer: Tensor, features: Tensor) -> Tensor:
        """Compute a map of as many channels as the coarser one."""
        fine = space_to_depth(self.fine(finer), self.stride)
        joined: Tensor = self.joined(torch.cat([fine, self.deep(features)], dim=1))
        return joined


PAPER_WEIGHTS = LossWeights(coordinates=1.0, objectness=5.0, no_object=1.0, classes=1.0)


@dataclass(frozen=True, slots=True)
class RegionLayerOptions:
    """Numbers of the loss of darknet's `[region]` layer; the defaults are yolov2.cfg's."""

    ignore_iou: float = 0.6  # with any object; above it a box has no loss as background
    objectness: Literal["iou", "one"] = "iou"  # target of a responsible box
    weights: LossWeights = PAPER_WEIGHTS
    settle_until: float = 0.0025  # part of the training that pulls every box to its anchor

    @classmethod
    def from_settings(cls, settings: RegionLayerSettings) -> "RegionLayerOptions":
        """Translate the table `model`."""
        weights = LossWeights.from_settings(settings.weights)
        return cls(settings.ignore_iou, settings.objectness, weights, settings.settle_until)


PAPER_LAYER = RegionLayerOptions()


class RegionLayerDetector(YoloDetector):
    """A detector on one feature map, with a box for every anchor at each cell.

    A subclass defines the outputs for classes, `class_costs` and `select_boxes`.
    """

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        anchors: Sequence[tuple[float, float]],
        *,
        num_class_columns: int,
        neck: Literal["passthrough", "none"] = "passthrough",
        layer: RegionLayerOptions = PAPER_LAYER,
        aspect: YoloAspect = "stretch",
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        """`anchors` are (width, height) in pixels; a box has `num_class_columns` for its class.

        Raises ModelError for an input whose feature maps do not fit each other.
        """
        super().__init__(
            backbone, class_names, inputs, aspect=aspect, postprocessing=postprocessing
        )
        self.layer_options = layer
        cells = feature_grids(backbone, inputs.size)
        self.neck: Passthrough | None = None
        channels = backbone.channels[-1]
        if neck == "passthrough":
            stride = _stride_between(cells, inputs.size)
            self.neck = Passthrough(backbone.channels[-2], channels, stride)
        self.grid = AnchorGrid(cells[-1:], anchors, [tuple(range(len(anchors)))], inputs.size)
        self.num_columns = OBJECTNESS + 1 + num_class_columns
        self.head = small_convolution(channels, len(anchors) * self.num_columns)
        self.settling = False

    @property
    def num_boxes(self) -> int:
        """Cells times anchors."""
        return len(self.grid)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The backbone, and the layers added to it."""
        added = [self.head] if self.neck is None else [self.neck, self.head]
        return {"backbone": self.backbone, "heads": nn.ModuleList(added)}

    def enter(self, part: float) -> None:
        """Pull all boxes to their anchors at the beginning of training."""
        self.settling = part < self.layer_options.settle_until

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b boxes columns"]:
        """Compute t_x, t_y, t_w, t_h, the logit of objectness, and logits of classes."""
        maps = self.backbone(self.normalise(images))
        features = maps[-1] if self.neck is None else self.neck(*maps[-2:])
        return flatten_predictions([self.head(features)], self.num_columns)

    @abstractmethod
    def class_costs(
        self, logits: Float[Tensor, "n columns"], labels: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Compute the loss of the class of each responsible box."""

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Squared errors of boxes and objectness, and cross-entropies of classes."""
        del prepared
        outputs = self(batch.images).float()
        objects = [objects_of(truth, outputs.device) for truth in batch.truths]
        return region_losses(
            outputs,
            self.grid,
            objects,
            self.class_costs,
            size=self.input_size,
            weights=self.layer_options.weights,
            ignore_iou=self.layer_options.ignore_iou,
            objectness_target=self.layer_options.objectness,
            settling=self.settling,
        )

    def score_boxes(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Score the boxes of each image."""
        outputs = self(images).float()
        boxes = self.grid.decode(outputs)
        return [self.select_boxes(*of_image) for of_image in zip(boxes, outputs, strict=True)]

    @abstractmethod
    def select_boxes(
        self, boxes: Float[Tensor, "boxes 4"], outputs: Float[Tensor, "boxes columns"]
    ) -> Detections:
        """Select the boxes and classes of an image with scores above the threshold."""


class YoloV2(RegionLayerDetector):
    """A detector whose boxes have a softmax over the classes."""

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        anchors: Sequence[tuple[float, float]],
        *,
        neck: Literal["passthrough", "none"] = "passthrough",
        layer: RegionLayerOptions = PAPER_LAYER,
        aspect: YoloAspect = "stretch",
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        """`anchors` are (width, height) in pixels.

        Raises ModelError for an input whose feature maps do not fit each other.
        """
        super().__init__(
            backbone,
            class_names,
            inputs,
            anchors,
            num_class_columns=len(class_names),
            neck=neck,
            layer=layer,
            aspect=aspect,
            postprocessing=postprocessing,
        )

    @classmethod
    def from_settings(
        cls, settings: YoloV2Settings, backbone: Backbone, class_names: Sequence[str]
    ) -> "YoloV2":
        """Build the detector of a recipe; weights other than the backbone's are random."""
        return cls(
            backbone,
            class_names,
            InputOptions.from_settings(settings),
            settings.anchors,
            neck=settings.neck,
            layer=RegionLayerOptions.from_settings(settings),
            aspect=settings.aspect,
            postprocessing=PostprocessOptions.from_settings(settings.results),
        )

    def class_costs(
        self, logits: Float[Tensor, "n columns"], labels: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Compute the cross-entropy of the softmax: darknet's delta is its gradient."""
        return F.cross_entropy(logits, labels, reduction="none")

    def select_boxes(
        self, boxes: Float[Tensor, "boxes 4"], outputs: Float[Tensor, "boxes columns"]
    ) -> Detections:
        """Select boxes and classes by objectness times the probability of the class."""
        objectness = outputs[:, OBJECTNESS : OBJECTNESS + 1].sigmoid()
        scores = objectness * outputs[:, OBJECTNESS + 1 :].softmax(dim=1)
        return select_likely(boxes, scores, self.postprocess_options.score_threshold)


def _stride_between(cells: Sequence[tuple[int, int]], size: tuple[int, int]) -> int:
    """Divide the cells of the last map but one by those of the last."""
    if len(cells) < 2:
        raise ModelError(
            "model.neck = 'passthrough' needs a backbone of two feature maps at least; give "
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
