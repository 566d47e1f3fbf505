"""Parts of the manifest that describe the detector."""

from __future__ import annotations

from singleshot.checkpoints.header import read_about
from singleshot.detectors.common.exportable import Exportable
from singleshot.detectors.detector import TrainableDetector
from singleshot.files import hash_file
from singleshot.models.summary import facts_of
from singleshot.runtimes.manifest import (
    DecodingNumbers,
    DetectorRecord,
    LevelRecord,
    ThresholdsRecord,
)
from singleshot.runtimes.thresholds import record_thresholds

__all__ = ["describe_decoding", "describe_detector", "describe_thresholds"]


def describe_decoding(exportable: Exportable) -> DecodingNumbers:
    """Collect the numbers that turn raw outputs into boxes and scores."""
    return DecodingNumbers(
        scores=exportable.scores,
        first_column=exportable.first_column,
        num_columns=exportable.num_columns,
        offset_scales=exportable.offset_scales,
        levels=tuple(
            LevelRecord(grid=level.grid, priors_per_cell=level.priors_per_cell)
            for level in exportable.levels
        ),
        priors_float32_base64=DecodingNumbers.encode_priors(exportable.priors_cxcywh_unit.numpy()),
    )


def describe_detector(detector: TrainableDetector) -> DetectorRecord:
    """Collect kind, size and origin of a detector."""
    facts, source = facts_of(detector), detector.source
    preset = "" if source is None else str(read_about(source)["recipe"].get("preset", ""))
    return DetectorRecord(
        kind=facts.kind,
        backbone=facts.backbone,
        preset=preset,
        parameters=facts.parameters,
        macs=facts.macs,
        num_boxes=facts.num_boxes,
        checkpoint="" if source is None else str(source),
        checkpoint_sha256="" if source is None else hash_file(source),
    )


def describe_thresholds(detector: TrainableDetector) -> ThresholdsRecord | None:
    """Load the score thresholds that were chosen for the weights; None without any."""
    point = None if detector.score_thresholds is None else detector.score_thresholds(None)
    return None if point is None else record_thresholds(point)
