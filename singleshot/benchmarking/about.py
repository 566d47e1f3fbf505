"""Describe a timed detector: its runtime, precision, input and size on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from singleshot.detectors.common.postprocess import PostprocessOptions
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import SingleshotError
from singleshot.runtimes.exported import ExportedDetector
from singleshot.structures import Detector

__all__ = ["about_detector", "with_score_threshold"]


def about_detector(detector: Detector, files: Sequence[Path] = ()) -> dict[str, Any]:
    """Describe a detector in plain values; `files` are its model's, none for random weights."""
    size_bytes = sum(file.stat().st_size for file in files) or None
    if isinstance(detector, TrainableDetector):
        return {
            "runtime": "pytorch",
            "runtime_version": torch.__version__,
            "precision": str(next(detector.parameters()).dtype).removeprefix("torch."),
            "input": list(detector.settings.input),
            "size_bytes": size_bytes,
            "score_threshold": score_threshold_of(detector),
        }
    if isinstance(detector, ExportedDetector):
        runtime, _, version = detector.runtime.partition(" ")
        return {
            "runtime": runtime,
            "runtime_version": version,
            "precision": detector.manifest.precision,
            "input": list(detector.input_size),
            "size_bytes": size_bytes,
            "score_threshold": score_threshold_of(detector),
        }
    return {
        "runtime": type(detector).__name__,
        "runtime_version": None,
        "precision": None,
        "input": None,
        "size_bytes": size_bytes,
        "score_threshold": score_threshold_of(detector),
    }


def score_threshold_of(detector: Detector) -> float | None:
    """Return the score below which postprocessing drops boxes at once; None where unknown."""
    options = getattr(detector, "postprocess_options", None)
    return None if options is None else float(options.score_threshold)


def with_score_threshold(detector: Detector, threshold: float) -> Detector:
    """Return a detector whose postprocessing drops boxes below another score.

    Raises SingleshotError for a detector that has its threshold built in.
    """
    if isinstance(detector, ExportedDetector) and detector.manifest.contract != "detections":
        manifest = detector.manifest
        numbers = manifest.postprocessing.model_copy(update={"score_threshold": threshold})
        changed = manifest.model_copy(update={"postprocessing": numbers})
        return ExportedDetector(changed, detector.engine, detector.artifact)
    options = getattr(detector, "postprocess_options", None)
    if isinstance(detector, TrainableDetector) and isinstance(options, PostprocessOptions):
        detector.postprocess_options = replace(  # type: ignore[assignment]
            options, score_threshold=threshold
        )
        return detector
    raise SingleshotError(
        "the model has its score threshold built in: leave out --score-threshold, or export it "
        "with another contract than 'detections'"
    )
