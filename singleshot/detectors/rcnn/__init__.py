"""Detectors that classify regions: R-CNN, Fast R-CNN, Faster R-CNN and R-FCN."""

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
    from singleshot.detectors.rcnn.region_detector import RegionDetector

__all__ = ["FASTER_RCNN", "FAST_RCNN", "RCNN", "RFCN"]


def build_rcnn(
    settings: RcnnSettings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.rcnn.rcnn import Rcnn

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return with_classifier(Rcnn(backbone, class_names, settings), settings, pretrained)


RCNN = Family("rcnn", RcnnSettings, build_rcnn)


def build_fast_rcnn(
    settings: FastRcnnSettings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.rcnn.fast_rcnn import FastRcnn

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return with_classifier(FastRcnn(backbone, class_names, settings), settings, pretrained)


FAST_RCNN = Family("fast-rcnn", FastRcnnSettings, build_fast_rcnn)


def build_faster_rcnn(
    settings: FasterRcnnSettings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.rcnn.faster_rcnn import FasterRcnn

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return with_classifier(FasterRcnn(backbone, class_names, settings), settings, pretrained)


FASTER_RCNN = Family("faster-rcnn", FasterRcnnSettings, build_faster_rcnn)


def build_rfcn(
    settings: RfcnSettings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.rcnn.rfcn import Rfcn

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return Rfcn(backbone, class_names, settings)


RFCN = Family("rfcn", RfcnSettings, build_rfcn)


def with_classifier(
    detector: RegionDetector, settings: RegionSettings, pretrained: bool
) -> TrainableDetector:
    """Load the fully connected layers that the file of the backbone's weights also holds."""
    from singleshot.backbones.weights import classifier_weights

    backbone = settings.backbone
    from_file = backbone.weights not in {"none", "installed"}
    if pretrained and from_file and isinstance(backbone, ClassifierSettings):
        detector.take_classifier(classifier_weights(backbone))
    return detector
