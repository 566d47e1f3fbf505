"""A classifier applied to windows at every position, scale and aspect ratio.

Read `settings`, then `network`: copies of the image, windows and losses (Dalal and Triggs 2005, §4;
Sermanet et al. 2014, "OverFeat", §3.5 and §5). The features are in `backbones.hog`.
"""

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
    return SlidingWindow.from_settings(settings, backbone, class_names)


FAMILY = Family("sliding-window", SlidingWindowSettings, build_sliding_window)
