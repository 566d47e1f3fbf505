"""FAMILIES: one symbol for each kind of detector; recipes and detectors follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from singleshot.detectors import localizer, multibox, rcnn, sliding_window, ssd, yolo
from singleshot.detectors.common.settings import DetectorSettings
from singleshot.detectors.family import Family
from singleshot.errors import ModelError
from singleshot.plugins import with_registered
from singleshot.settings import ByKind

if TYPE_CHECKING:
    from singleshot.detectors.detector import Objective, TrainableDetector

__all__ = ["DEFAULT_KIND", "FAMILIES", "AnyDetector", "build_detector", "distil", "families"]

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
    """List all families, those of plugins included."""
    return with_registered(FAMILIES, Family)


AnyDetector = Annotated[DetectorSettings, ByKind(families, default=DEFAULT_KIND)]


def build_detector(
    settings: DetectorSettings, class_names: Sequence[str], *, pretrained: bool
) -> TrainableDetector:
    """Build a detector with random weights, except for its backbone's if `pretrained`.

    Raises RecipeError for one that cannot be quantised, and is to be.
    """
    import torch

    build = {family.kind: family.build for family in families()}[settings.kind]
    detector: TrainableDetector = build(settings, class_names, pretrained)
    detector.settings = settings
    if settings.quantization is not None:
        from singleshot.detectors.common.quantization import quantize_detector

        quantize_detector(detector)
    return detector.to(memory_format=torch.channels_last).eval()


def distil(
    student: TrainableDetector,
    teacher: TrainableDetector,
    *,
    weight: float,
    score_threshold: float,
    source: str,
) -> tuple[Objective, str]:
    """Add a teacher's outputs to a student's losses; the second is a sentence on how.

    Raises ModelError, naming the `source` of the teacher, for kinds that cannot be distilled.
    """
    ours, theirs = student.settings.kind, teacher.settings.kind
    found = {family.kind: family.distil for family in families() if family.distil}
    if ours != theirs or ours not in found:
        raise ModelError(
            f"{source}: a detector of the kind {theirs!r} cannot be the teacher of one of the kind "
            f"{ours!r}; both must be of one kind: {', '.join(found)}; or train without --teacher"
        )
    return found[ours](
        student, teacher, weight=weight, score_threshold=score_threshold, source=source
    )
