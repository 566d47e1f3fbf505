"""From a recipe to objects: the only room that knows both."""

from singleshot.build.backbones import build_backbone
from singleshot.build.detectors import build_detector, detector_from
from singleshot.build.trainings import (
    best_device,
    build_pictures,
    build_training,
)

__all__ = [
    "best_device",
    "build_backbone",
    "build_detector",
    "build_pictures",
    "build_training",
    "detector_from",
]
