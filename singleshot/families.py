"""FAMILIES: one symbol for each kind of detector; recipes and detectors follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from singleshot.detectors import localizer, multibox, rcnn, sliding_window, ssd, yolo
from singleshot.detectors.common.settings import DetectorSettings
from singleshot.detectors.family import Family
from singleshot.plugins import with_registered
from singleshot.settings import ByKind

if TYPE_CHECKING:
    from singleshot.detectors.detector import TrainableDetector

__all__ = ["DEFAULT_KIND", "FAMILIES", "AnyDetector", "build_detector", "families"]

FAMILIES: tuple[Family[Any], ...] = (
    ssd.FAMILY,
    localizer.FAMILY,
    rcnn.RCNN,
    rcnn.FAST_RCNN,
    rcnn.FASTER_RCNN,
    rcnn.RFCN,
    sliding_window.FAMILY,
    multibox.FAMILY,
    yolo.YOLO_V1,
    yolo.YOLO_V2,
    yolo.YOLO9000,
    yolo.YOLO_V3,
)
DEFAULT_KIND = ssd.FAMILY.kind  # of a recipe without `model.kind`


def families() -> tuple[Family[Any], ...]:
    """All families, those of plugins included."""
    return with_registered(FAMILIES, Family)


AnyDetector = Annotated[DetectorSettings, ByKind(families, default=DEFAULT_KIND)]


def build_detector(
    settings: DetectorSettings, class_names: Sequence[str], *, pretrained: bool
) -> TrainableDetector:
    """Build a detector with random weights, except for its backbone's if `pretrained`."""
    import torch

    build = {family.kind: family.build for family in families()}[settings.kind]
    detector: TrainableDetector = build(settings, class_names, pretrained)
    return detector.to(memory_format=torch.channels_last).eval()
