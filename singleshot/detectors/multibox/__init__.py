"""MultiBox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from singleshot.backbones.kinds import build_backbone
from singleshot.detectors.family import Family
from singleshot.detectors.multibox.settings import MultiBoxSettings

if TYPE_CHECKING:
    from singleshot.detectors.detector import TrainableDetector

__all__ = ["FAMILY"]


def build_multibox(
    settings: MultiBoxSettings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build both backbones and networks."""
    from singleshot.detectors.multibox.network import MultiBox

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    second = build_backbone(settings.classifier.backbone, pretrained=pretrained)
    return MultiBox(backbone, second, class_names, settings)


FAMILY = Family("multibox", MultiBoxSettings, build_multibox)
