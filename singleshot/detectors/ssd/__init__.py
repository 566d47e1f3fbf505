"""SSD: Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016 (arXiv:1512.02325).

Files in reading order, with the paper's sections:

1. `network` (§2): the detector, `heads(pyramid(backbone(images)))`, trained and detecting.
2. `pyramid` (§2.1, "Multi-scale feature maps for detection"): the levels.
3. `priors` (§2.1, "Default boxes and aspect ratios"; §2.2, "Choosing scales and aspect ratios for
   default boxes"): boxes on each cell of each level.
4. `heads` (§2.1, "Convolutional predictors for detection"): offsets and class logits of each prior.
5. `bipartite`, then `matching` (§2.2, "Matching strategy"): the object of each prior.
6. `loss` (§2.2, "Training objective" and "Hard negative mining"), with the offsets of equation 2 in
   `detectors.common.box_coding`.
7. `postprocess` (§3.7): from scores to detections, by non-maximum suppression.

What came later: `dssd` (residual blocks and deconvolutions, Fu et al. 2017), `later_rules` (ATSS,
SimOTA, task-aligned matching), `distillation`; SSDLite is in `heads` and `pyramid`, focal and IoU
losses in `loss`. `settings` are the tables of a recipe.
"""

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


FAMILY = Family("ssd", SsdSettings, build_ssd, distil_ssd, exports=True)
