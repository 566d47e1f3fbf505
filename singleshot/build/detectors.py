"""A detector for the settings of each kind."""

from collections.abc import Sequence

import torch

from singleshot.build.backbones import build_backbone
from singleshot.models.backbones.backbone import Backbone
from singleshot.models.backbones.weights import classifier_weights
from singleshot.models.baselines.fast_rcnn import FastRcnn
from singleshot.models.baselines.faster_rcnn import FasterRcnn
from singleshot.models.baselines.localizer import Localizer
from singleshot.models.baselines.multibox import MultiBox
from singleshot.models.baselines.rcnn import Rcnn
from singleshot.models.baselines.region_detector import RegionDetector
from singleshot.models.baselines.rfcn import Rfcn
from singleshot.models.baselines.sliding_window import SlidingWindow
from singleshot.models.baselines.yolo9000 import Yolo9000
from singleshot.models.baselines.yolo_detector import YoloDetector
from singleshot.models.baselines.yolo_v1 import YoloV1
from singleshot.models.baselines.yolo_v2 import YoloV2
from singleshot.models.baselines.yolo_v3 import YoloV3
from singleshot.models.checkpoint import Checkpoint
from singleshot.models.ssd.network import Ssd
from singleshot.models.trainable import TrainableDetector
from singleshot.recipes.backbone import BackboneSettings, ClassifierSettings
from singleshot.recipes.baselines.localizer import LocalizerSettings
from singleshot.recipes.baselines.multibox import MultiBoxSettings
from singleshot.recipes.baselines.regions import (
    FasterRcnnSettings,
    FastRcnnSettings,
    RcnnSettings,
    RfcnSettings,
)
from singleshot.recipes.baselines.sliding_window import SlidingWindowSettings
from singleshot.recipes.baselines.yolo import (
    Yolo9000Settings,
    YoloV1Settings,
    YoloV2Settings,
    YoloV3Settings,
)
from singleshot.recipes.detectors import DetectorSettings
from singleshot.recipes.model import SsdSettings

__all__ = ["build_detector", "detector_from"]


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


def detector_from(checkpoint: Checkpoint, place: str) -> TrainableDetector:
    """The detector that a checkpoint holds."""
    detector = build_detector(checkpoint.recipe.model, checkpoint.class_names, pretrained=False)
    checkpoint.restore(detector, place)
    return detector
