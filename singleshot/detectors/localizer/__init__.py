"""Classification and localization of one object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from singleshot.backbones.kinds import build_backbone
from singleshot.detectors.family import Family
from singleshot.detectors.localizer.settings import LocalizerSettings

if TYPE_CHECKING:
    from singleshot.detectors.detector import TrainableDetector

__all__ = ["FAMILY"]


def build_localizer(
    settings: LocalizerSettings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.localizer.network import Localizer

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return Localizer(backbone, class_names, settings)


FAMILY = Family("localizer", LocalizerSettings, build_localizer)
