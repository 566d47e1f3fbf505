"""A detector for the settings of each kind."""

from collections.abc import Sequence

import torch

from singleshot.backbones.backbone import Backbone
from singleshot.backbones.build import build_backbone
from singleshot.backbones.settings import BackboneSettings, ClassifierSettings
from singleshot.backbones.weights import classifier_weights
from singleshot.detectors.detector import TrainableDetector
from singleshot.detectors.localizer.network import Localizer
from singleshot.detectors.localizer.settings import LocalizerSettings
from singleshot.detectors.multibox.network import MultiBox
from singleshot.detectors.multibox.settings import MultiBoxSettings
from singleshot.detectors.rcnn.fast_rcnn import FastRcnn
from singleshot.detectors.rcnn.faster_rcnn import FasterRcnn
from singleshot.detectors.rcnn.rcnn import Rcnn
from singleshot.detectors.rcnn.region_detector import RegionDetector
from singleshot.detectors.rcnn.rfcn import Rfcn
from singleshot.detectors.rcnn.settings import (
    FasterRcnnSettings,
    FastRcnnSettings,
    RcnnSettings,
    RfcnSettings,
)
from singleshot.detectors.settings import DetectorSettings
from singleshot.detectors.sliding_window.network import SlidingWindow
from singleshot.detectors.sliding_window.settings import SlidingWindowSettings
from singleshot.detectors.ssd.network import Ssd
from singleshot.detectors.ssd.settings import SsdSettings
from singleshot.detectors.yolo.detector import YoloDetector
from singleshot.detectors.yolo.settings import (
    Yolo9000Settings,
    YoloV1Settings,
    YoloV2Settings,
    YoloV3Settings,
)
from singleshot.detectors.yolo.v1 import YoloV1
from singleshot.detectors.yolo.v2 import YoloV2
from singleshot.detectors.yolo.v3 import YoloV3
from singleshot.detectors.yolo.yolo9000 import Yolo9000

__all__ = ["build_detector"]


def build_detector(
    settings: DetectorSettings, class_names: Sequence[str], *, pretrained: bool
) -> TrainableDetector:
    """A detector with random weights, but for its backbone's when `pretrained`."""
    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    detector: TrainableDetector
    match settings:
        case SsdSettings():
            detector = Ssd(backbone, class_names, settings)
        case LocalizerSettings():
            detector = Localizer(backbone, class_names, settings)
        case RcnnSettings():
            detector = Rcnn(backbone, class_names, settings)
        case FastRcnnSettings():
            detector = FastRcnn(backbone, class_names, settings)
        case FasterRcnnSettings():
            detector = FasterRcnn(backbone, class_names, settings)
        case RfcnSettings():
            detector = Rfcn(backbone, class_names, settings)
        case SlidingWindowSettings():
            detector = SlidingWindow(backbone, class_names, settings)
        case MultiBoxSettings(classifier=classifier):
            second = build_backbone(classifier.backbone, pretrained=pretrained)
            detector = MultiBox(backbone, second, class_names, settings)
        case _:
            detector = build_yolo(settings, backbone, class_names)
    if pretrained and isinstance(detector, RegionDetector):
        take_classifier(detector, settings.backbone)
    return detector.to(memory_format=torch.channels_last).eval()


def build_yolo(
    settings: YoloV1Settings | YoloV2Settings | Yolo9000Settings | YoloV3Settings,
    backbone: Backbone,
    class_names: Sequence[str],
) -> YoloDetector:
    """Any version of YOLO."""
    match settings:
        case YoloV1Settings():
            return YoloV1(backbone, class_names, settings)
        case YoloV2Settings():
            return YoloV2(backbone, class_names, settings)
        case Yolo9000Settings():
            return Yolo9000(backbone, class_names, settings)
        case YoloV3Settings():
            return YoloV3(backbone, class_names, settings)


def take_classifier(detector: RegionDetector, settings: BackboneSettings) -> None:
    """What else than a backbone the file of its weights holds: fully connected layers."""
    if isinstance(settings, ClassifierSettings) and settings.weights not in {"none", "installed"}:
        detector.take_classifier(classifier_weights(settings))
