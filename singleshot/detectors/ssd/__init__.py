"""SSD: Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016 (arXiv:1512.02325)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from singleshot.backbones.kinds import build_backbone
from singleshot.detectors.family import Family
from singleshot.detectors.ssd.settings import SsdSettings

if TYPE_CHECKING:
    from singleshot.detectors.detector import Objective, TrainableDetector

__all__ = ["BACKGROUND", "FAMILY"]

# The column of the class outputs that means "nothing here"; known to this folder alone.
BACKGROUND = 0


def build_ssd(
    settings: SsdSettings, class_names: Sequence[str], pretrained: bool
) -> TrainableDetector:
    """Build the backbone and the network."""
    from singleshot.detectors.ssd.network import Ssd

    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return Ssd.from_settings(settings, backbone, class_names)


def distil_ssd(
    student: TrainableDetector,
    teacher: TrainableDetector,
    *,
    weight: float,
    score_threshold: float,
    source: str,
) -> tuple[Objective, str]:
    """Add the outputs of a teacher SSD to the losses of a student SSD."""
    from singleshot.detectors.ssd.distillation import DistilledSsd, SsdTeacher
    from singleshot.detectors.ssd.network import Ssd

    assert isinstance(student, Ssd)
    assert isinstance(teacher, Ssd)
    frozen = SsdTeacher.of(teacher, student, score_threshold=score_threshold, source=source)
    return DistilledSsd(student, frozen, weight), frozen.describe(student)


FAMILY = Family("ssd", SsdSettings, build_ssd, distil_ssd)
