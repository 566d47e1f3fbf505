"""MultiBox: boxes of any object by one network, their classes by a second one.

Read in this order:
- `settings`: the table `model`.
- `heads`: six grids, their priors and heads (Szegedy et al. 2015, §3 and figure 1).
- `network`: matching and loss (Erhan et al. 2014, §3.2 and §3.3), proposals, stages of training.
- `post_classifier`: the second network (Szegedy et al. 2015, §5).
"""

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
    return MultiBox.from_settings(settings, backbone, class_names, second)


FAMILY = Family("multibox", MultiBoxSettings, build_multibox)
