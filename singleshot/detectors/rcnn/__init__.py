"""Detectors that classify regions: R-CNN, Fast R-CNN, Faster R-CNN and R-FCN.

Read in this order:
- `settings`: the tables `model` of the four.
- `selective_search`: regions without a network (Uijlings et al. 2013).
- `rcnn`: crops, CNN features, SVMs, box regression (Girshick et al. 2014, §2 and appendices A, C).
- `losses`: the multi-task loss and box coding (Girshick 2015, §2.3).
- `regions`: what the successors share: image sizes, RoI pooling, the head (Girshick 2015, §2.1).
- `fast_rcnn`: one feature map for all regions (Girshick 2015, §2).
- `proposals`: the region proposal network and its losses (Ren et al. 2015, §3.1).
- `faster_rcnn`: both on one feature map (§3.2), or on a pyramid (Lin et al. 2017, §4).
- `rfcn`: position-sensitive score maps (Dai et al. 2016, §2).

Sampling of regions and crops are in `detectors.common.regions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from singleshot.backbones.kinds import build_backbone
from singleshot.backbones.settings import ClassifierSettings
from singleshot.detectors.family import Family
from singleshot.detectors.rcnn.settings import (
    FasterRcnnSettings,
    FastRcnnSettings,
    RcnnSettings,
    RegionSettings,
    RfcnSettings,
)

if TYPE_CHECKING:
    from singleshot.detectors.detector import TrainableDetector
    from singleshot.detectors.rcnn.regions import RegionDetector

__all__ = ["FASTER_RCNN", "FAST_RCNN", "RCNN", "RFCN"]


def build_rcnn(
    settings: RcnnSettings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.rcnn.rcnn import Rcnn

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return _with_classifier(
        Rcnn.from_settings(settings, backbone, class_names), settings, pretrained
    )


RCNN = Family("rcnn", RcnnSettings, build_rcnn)


def build_fast_rcnn(
    settings: FastRcnnSettings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.rcnn.fast_rcnn import FastRcnn

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return _with_classifier(
        FastRcnn.from_settings(settings, backbone, class_names), settings, pretrained
    )


FAST_RCNN = Family("fast-rcnn", FastRcnnSettings, build_fast_rcnn)


def build_faster_rcnn(
    settings: FasterRcnnSettings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.rcnn.faster_rcnn import FasterRcnn

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return _with_classifier(
        FasterRcnn.from_settings(settings, backbone, class_names), settings, pretrained
    )


FASTER_RCNN = Family("faster-rcnn", FasterRcnnSettings, build_faster_rcnn)


def build_rfcn(
    settings: RfcnSettings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.rcnn.rfcn import Rfcn

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return Rfcn.from_settings(settings, backbone, class_names)


RFCN = Family("rfcn", RfcnSettings, build_rfcn)


def _with_classifier(
    detector: RegionDetector, settings: RegionSettings, pretrained: bool
) -> TrainableDetector:
    """Load the fully connected layers that the file of the backbone's weights also holds."""
    from singleshot.backbones.weights import classifier_weights

    backbone, loaded = settings.backbone, detector.backbone.loaded
    if pretrained and loaded is not None and isinstance(backbone, ClassifierSettings):
        taken = detector.load_classifier(classifier_weights(backbone))
        detector.backbone.loaded = (
            loaded.with_more(taken) if taken else loaded.without("fc6", "fc7")
        )
    return detector
