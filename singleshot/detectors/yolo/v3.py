"""YOLOv3: three levels, three anchors each, and classes that do not exclude each other.

Redmon and Farhadi 2018, "YOLOv3: An Incremental Improvement"; the numbers are darknet's
(cfg/yolov3.cfg, src/yolo_layer.c).

Simpler than there: images keep one size throughout the training; all objects of an image are
trained on, where darknet takes 90 at most; a box has at most the classes of objects in its cell
(darknet's `truth_thresh`, which is 1 in all its files and never reached).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone
from singleshot.backbones.darknet import conv
from singleshot.backbones.darknet_layers import DarknetConvolution
from singleshot.backbones.initial import small_convolution
from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING, PostprocessOptions
from singleshot.detectors.common.single_size import InputOptions
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.yolo.anchors import OBJECTNESS, AnchorGrid, flatten_predictions
from singleshot.detectors.yolo.letterbox import YoloDetector, feature_grids, select_likely
from singleshot.detectors.yolo.losses import logistic_losses
from singleshot.detectors.yolo.settings import YoloAspect, YoloV3Settings
from singleshot.errors import ModelError
from singleshot.structures import Batch, Detections, objects_of

__all__ = ["YoloV3", "divide_anchors"]


class DetectionStage(nn.Module):
    """The layers of a level: five convolutions, then one more for its own predictions.

    `above` reduces the channels of the coarser level's five, to be doubled in size and joined to
    this level; the coarsest has none.
    """

    def __init__(self, channels: int, coarser: int) -> None:
        """`channels` are those of the level; `coarser` those of the five above it, or 0."""
        super().__init__()
        half = channels // 2
        self.above = DarknetConvolution(coarser, conv(half, 1)) if coarser else None
        joined = channels + half if coarser else channels
        self.five = nn.Sequential(
            DarknetConvolution(joined, conv(half, 1)),
            DarknetConvolution(half, conv(channels)),
            DarknetConvolution(channels, conv(half, 1)),
            DarknetConvolution(half, conv(channels)),
            DarknetConvolution(channels, conv(half, 1)),
        )
        self.last = DarknetConvolution(half, conv(channels))

    def forward(self, features: Tensor, coarser: Tensor | None) -> tuple[Tensor, Tensor]:
        """Compute the features for predictions, and those for the finer level."""
        if self.above is not None and coarser is not None:
            size = [features.shape[-2], features.shape[-1]]
            enlarged = F.interpolate(self.above(coarser), size=size, mode="nearest")
            features = torch.cat([enlarged, features], dim=1)
        shared = self.five(features)
        return self.last(shared), shared


class DetectionPyramid(nn.Module):
    """Stages from the coarsest level to the finest (§2.3); `stages` are in the order of levels."""

    def __init__(self, channels: Sequence[int]) -> None:
        """`channels` are those of each level, finest first."""
        super().__init__()
        coarser = [*(width // 2 for width in channels[1:]), 0]
        self.stages = nn.ModuleList(
            DetectionStage(*widths) for widths in zip(channels, coarser, strict=True)
        )

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Compute the levels in the same order, with the same channels."""
        outputs: list[Tensor] = []
        shared: Tensor | None = None
        for stage, level in zip(reversed(self.stages), reversed(levels), strict=True):
            features, shared = stage(level, shared)
            outputs.insert(0, features)
        return outputs


class YoloV3(YoloDetector):
    """A detector on several levels, with a box for every anchor of the level at each cell."""

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        anchors: Sequence[tuple[float, float]],
        *,
        masks: Sequence[tuple[int, ...]] = (),
        neck: Literal["pyramid", "none"] = "pyramid",
        ignore_iou: float = 0.5,
        aspect: YoloAspect = "stretch",
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        """`anchors` are (width, height) in pixels, smallest first; `masks` number those of a level.

        A box whose IoU with any object is above `ignore_iou` has no loss as background. Raises
        ModelError for anchors that cannot be divided among the levels.
        """
        super().__init__(
            backbone, class_names, inputs, aspect=aspect, postprocessing=postprocessing
        )
        self.ignore_iou = ignore_iou
        cells = feature_grids(backbone, inputs.size)
        of_levels = divide_anchors(len(anchors), len(cells), masks)
        self.grid = AnchorGrid(cells, anchors, of_levels, inputs.size)
        self.num_columns = OBJECTNESS + 1 + len(class_names)
        self.neck = DetectionPyramid(backbone.channels) if neck == "pyramid" else None
        self.heads = nn.ModuleList(
            small_convolution(channels, len(mask) * self.num_columns)
            for channels, mask in zip(backbone.channels, of_levels, strict=True)
        )

    @classmethod
    def from_settings(
        cls, settings: YoloV3Settings, backbone: Backbone, class_names: Sequence[str]
    ) -> "YoloV3":
        """Build the detector of a recipe; weights other than the backbone's are random."""
        return cls(
            backbone,
            class_names,
            InputOptions.from_settings(settings),
            settings.anchors,
            masks=settings.masks,
            neck=settings.neck,
            ignore_iou=settings.ignore_iou,
            aspect=settings.aspect,
            postprocessing=PostprocessOptions.from_settings(settings.results),
        )

    @property
    def num_boxes(self) -> int:
        """Cells times anchors, of all levels."""
        return len(self.grid)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The backbone, and the layers added to it."""
        added = [self.heads] if self.neck is None else [self.neck, self.heads]
        return {"backbone": self.backbone, "heads": nn.ModuleList(added)}

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b boxes columns"]:
        """Compute t_x, t_y, t_w, t_h, the logit of objectness, and logits of classes."""
        levels = self.backbone(self.normalise(images))
        if self.neck is not None:
            levels = self.neck(levels)
        maps = [head(level) for head, level in zip(self.heads, levels, strict=True)]
        return flatten_predictions(maps, self.num_columns)

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Cross-entropies of centres, objectness and classes, and squared errors of sizes."""
        del prepared
        outputs = self(batch.images).float()
        objects = [objects_of(truth, outputs.device) for truth in batch.truths]
        return logistic_losses(outputs, self.grid, objects, self.input_size, self.ignore_iou)

    def score_boxes(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Score every box for every class: objectness times the probability of the class."""
        outputs = self(images).float()
        objectness = outputs[..., OBJECTNESS : OBJECTNESS + 1].sigmoid()
        scores = objectness * outputs[..., OBJECTNESS + 1 :].sigmoid()
        threshold = self.postprocess_options.score_threshold
        return [
            select_likely(boxes, of_image, threshold)
            for boxes, of_image in zip(self.grid.decode(outputs), scores, strict=True)
        ]


def divide_anchors(
    number: int, num_levels: int, masks: Sequence[tuple[int, ...]] = ()
) -> list[tuple[int, ...]]:
    """Divide anchors among levels: as the masks give them, or evenly, smallest to the finest.

    Raises ModelError for masks of another number of levels, or anchors that do not divide evenly.
    """
    if masks:
        if len(masks) != num_levels:
            raise ModelError(
                f"model.masks are for {len(masks)} levels, the backbone has {num_levels}"
            )
        return list(masks)
    if number % num_levels:
        raise ModelError(
            f"model.anchors: {number} cannot be divided evenly among {num_levels} levels; give "
            f"{3 * num_levels}, or the anchors of each level in model.masks"
        )
    each = number // num_levels
    return [tuple(range(first, first + each)) for first in range(0, number, each)]
