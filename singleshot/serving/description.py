"""Description of a detector for clients: classes, thresholds, levels and priors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from singleshot.boxes.geometry import to_centres, to_unit
from singleshot.detectors.detector import TrainableDetector
from singleshot.metrics import OperatingPoint
from singleshot.runtimes.exported import ExportedDetector
from singleshot.runtimes.manifest import DecodingNumbers
from singleshot.serving.answers import LevelAnswer, LimitsAnswer, ModelAnswer
from singleshot.serving.options import ServingOptions
from singleshot.structures import Detector
from singleshot.version import __version__

__all__ = ["PriorSummary", "make_model_answer", "prior_summary"]


@dataclass(frozen=True)
class PriorSummary:
    """The priors that detections refer to, level by level."""

    levels: tuple[LevelAnswer, ...]
    boxes_cxcywh_unit: Float[Tensor, "priors 4"]

    @classmethod
    def of(
        cls,
        grids: list[tuple[tuple[int, int], int]],
        boxes_cxcywh_unit: Float[Tensor, "priors 4"],
        size: tuple[int, int],
    ) -> PriorSummary:
        """Describe priors.

        Args:
            grids: of each level the (rows, columns), and the priors of a cell.
            boxes_cxcywh_unit: all priors as fractions of the input.
            size: (height, width) of the input.
        """
        levels, first = [], 0
        for (rows, columns), per_cell in grids:
            number = rows * columns * per_cell
            centres = boxes_cxcywh_unit[first : first + number : per_cell, :2]
            level = LevelAnswer(
                grid=(rows, columns),
                stride=(
                    _stride(centres[::columns, 1], size[0]),
                    _stride(centres[:columns, 0], size[1]),
                ),
                priors_per_cell=per_cell,
                first_prior=first,
                num_priors=number,
            )
            levels.append(level)
            first += number
        return cls(tuple(levels), boxes_cxcywh_unit)

    def level_of_prior(self) -> list[int]:
        """List the level of each prior."""
        return [number for number, level in enumerate(self.levels) for _ in range(level.num_priors)]

    def encode(self) -> str:
        """Encode the boxes as in the manifest of an exported model."""
        return DecodingNumbers.encode_priors(self.boxes_cxcywh_unit.float().numpy())


def _stride(centres: Float[Tensor, " n"], side: int) -> float:
    """Measure the distance of centres in pixels; of a single one, the whole side."""
    return round(float(centres[1] - centres[0]) * side, 3) if len(centres) > 1 else float(side)


def prior_summary(detector: Detector) -> PriorSummary | None:
    """Describe the priors of a detector whose detections tell them; None for others."""
    if isinstance(detector, ExportedDetector):
        manifest = detector.manifest
        grids = [(one.grid, one.priors_per_cell) for one in manifest.decoding.levels]
        # A copy, since the table of a manifest cannot be written to.
        boxes = torch.from_numpy(np.array(manifest.decoding.priors()))
        return PriorSummary.of(grids, boxes, manifest.input.size)
    layout = detector.prior_layout() if isinstance(detector, TrainableDetector) else None
    if layout is None:
        return None
    grids = [(level.grid, level.num_priors_per_cell) for level in layout.levels]
    boxes = to_centres(to_unit(layout.boxes, layout.size))
    return PriorSummary.of(grids, boxes, layout.size)


def make_model_answer(
    detector: Detector,
    thresholds: Sequence[float],
    options: ServingOptions,
    *,
    name: str,
    priors: PriorSummary | None,
) -> ModelAnswer:
    """Describe a detector, with its priors, as /v1/model answers.

    `thresholds` are the lowest scores of the classes where a request names none.
    """
    labels = tuple(detector.class_names)
    score_thresholds = getattr(detector, "score_thresholds", None)
    point = None if score_thresholds is None else score_thresholds(None)
    return ModelAnswer(
        name=name,
        kind=_kind(detector),
        runtime=_runtime(detector),
        labels=labels,
        input=_input_size(detector),
        score_thresholds=dict(zip(labels, thresholds, strict=True)),
        operating_points={} if point is None else _operating_points(point),
        levels=() if priors is None else priors.levels,
        priors_float32_base64=None if priors is None else priors.encode(),
        limits=LimitsAnswer(max_bytes=options.max_bytes, max_pixels=options.max_pixels),
        version=__version__,
    )


def _operating_points(point: OperatingPoint) -> dict[str, dict[str, float | None]]:
    rule = str(point.rule)
    return {name: {rule: choice.score_threshold} for name, choice in point.per_class.items()}


def _kind(detector: Detector) -> str:
    match detector:
        case ExportedDetector():
            return detector.manifest.detector.kind
        case TrainableDetector() if hasattr(detector, "settings"):
            return str(detector.settings.kind)
        case _:
            return type(detector).__name__


def _runtime(detector: Detector) -> str:
    if isinstance(detector, ExportedDetector):
        return f"{detector.runtime}, {detector.manifest.precision}"
    return f"PyTorch {torch.__version__}"


def _input_size(detector: Detector) -> tuple[int, int] | None:
    match detector:
        case ExportedDetector():
            return detector.input_size
        case TrainableDetector() if hasattr(detector, "settings"):
            return detector.settings.input
        case _:
            return None
