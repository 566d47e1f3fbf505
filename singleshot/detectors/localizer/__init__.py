"""Classification and localization of one object.

Read `settings`, then `network`: a classifier with a regression head (Sermanet et al. 2014, §4.1;
Toshev and Szegedy 2014, §3), and its losses.
"""

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
    return Localizer.from_settings(settings, backbone, class_names)


FAMILY = Family("localizer", LocalizerSettings, build_localizer)
