"""A classifier that is applied at every place, scale and aspect ratio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from singleshot.backbones.kinds import build_backbone
from singleshot.detectors.family import Family
from singleshot.detectors.sliding_window.settings import SlidingWindowSettings

if TYPE_CHECKING:
    from singleshot.detectors.detector import TrainableDetector

__all__ = ["FAMILY"]


def build_sliding_window(
    settings: SlidingWindowSettings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.sliding_window.network import SlidingWindow

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return SlidingWindow(backbone, class_names, settings)


FAMILY = Family("sliding-window", SlidingWindowSettings, build_sliding_window)
