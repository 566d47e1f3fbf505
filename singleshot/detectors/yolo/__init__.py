"""YOLO, version 1 to 3, and YOLO9000.

Read in this order:
- `settings`: the tables `model` of the four.
- `letterbox`: images as darknet resizes them; boxes above the threshold.
- `v1`: a grid of cells, and its loss (Redmon et al. 2016, §2).
- `anchors`: boxes relative to cells and anchors (Redmon and Farhadi 2017, §2).
- `losses`: the losses of versions 2 and 3.
- `v2`: one feature map, passthrough (§2).
- `word_tree`, `yolo9000`: hierarchical classification (§4).
- `v3`: three levels, independent classes (Redmon and Farhadi 2018, §2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from singleshot.backbones.kinds import build_backbone
from singleshot.detectors.family import Family
from singleshot.detectors.yolo.settings import (
    Yolo9000Settings,
    YoloV1Settings,
    YoloV2Settings,
    YoloV3Settings,
)

if TYPE_CHECKING:
    from singleshot.detectors.detector import TrainableDetector

__all__ = ["YOLO9000", "YOLO_V1", "YOLO_V2", "YOLO_V3"]


def build_yolo_v1(
    settings: YoloV1Settings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.yolo.v1 import YoloV1

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return YoloV1.from_settings(settings, backbone, class_names)


YOLO_V1 = Family("yolo-v1", YoloV1Settings, build_yolo_v1)


def build_yolo_v2(
    settings: YoloV2Settings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.yolo.v2 import YoloV2

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return YoloV2.from_settings(settings, backbone, class_names)


YOLO_V2 = Family("yolo-v2", YoloV2Settings, build_yolo_v2)


def build_yolo9000(
    settings: Yolo9000Settings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.yolo.yolo9000 import Yolo9000

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return Yolo9000.from_settings(settings, backbone, class_names)


YOLO9000 = Family("yolo9000", Yolo9000Settings, build_yolo9000)


def build_yolo_v3(
    settings: YoloV3Settings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.yolo.v3 import YoloV3

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return YoloV3.from_settings(settings, backbone, class_names)


YOLO_V3 = Family("yolo-v3", YoloV3Settings, build_yolo_v3)
