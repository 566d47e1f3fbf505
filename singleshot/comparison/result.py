"""The result of a comparison: what was measured of each detector, and how they rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from singleshot.benchmarking.machine import Machine
from singleshot.comparison.published import PublishedFigure, PublishedTradeOff
from singleshot.comparison.ranking import SIGNIFICANCE, PairwiseDifference, Ranking
from singleshot.metrics import CocoNumbers, Protocol
from singleshot.metrics.intervals import AccuracyEstimate
from singleshot.metrics.pareto import pareto_front
from singleshot.metrics.speed import Speed

__all__ = ["ComparedDetector", "ComparisonResult"]


@dataclass(frozen=True)
class ComparedDetector:
    """One detector of a comparison and its measurements."""

    name: str  # the shortest end of its path that no other has
    path: str
    kind: str  # the framework: ssd, yolo-v1 …
    backbone: str  # the feature extractor, by the name in its recipe
    input: tuple[int, int]  # height, width
    num_boxes: int
    parameters: int
    macs: int  # multiply-adds of one image
    file_bytes: int  # of its weights
    coco: CocoNumbers  # by COCO's rules, whatever the protocol
    per_class: Mapping[str, float | None]  # average precision
    speeds: tuple[Speed, ...]  # smallest batches first, of one image
    memory_before_mb: float | None  # of its process, before the detector was loaded

    @property
    def latency_ms(self) -> float:
        """Median time of one image, in batches of one."""
        return self.speeds[0].total_ms

    @property
    def memory_mb(self) -> float | None:
        """Peak memory with one image at a time, above that of the process without a detector."""
        peak, before = self.speeds[0].peak_memory_mb, self.memory_before_mb
        return None if peak is None or before is None else max(peak - before, 0.0)

    def to_json(self, estimate: AccuracyEstimate, *, on_front: bool) -> dict[str, Any]:
        """Convert to plain numbers; null where undefined."""
        known = estimate.low is not None
        return {
            "model": self.path,
            "name": self.name,
            "kind": self.kind,
            "backbone": self.backbone,
            "input": list(self.input),
            "num_boxes": self.num_boxes,
            "parameters": self.parameters,
            "macs": self.macs,
            "file_bytes": self.file_bytes,
            "mean_average_precision": estimate.value,
            "interval": [estimate.low, estimate.high] if known else None,
            "per_class": dict(self.per_class),
            "coco": self.coco._asdict(),
            "speed": [speed.to_json() for speed in self.speeds],
            "memory_before_mb": self.memory_before_mb,
            "on_pareto_front": on_front,
        }


@dataclass(frozen=True)
class ComparisonResult:
    """Detectors on the same images, by the same rules, on one machine, in one run."""

    data: str  # description of the data set
    protocol: Protocol
    iou_threshold: float  # of a true positive; COCO has its own ten
    images: int
    truths: int
    detectors: tuple[ComparedDetector, ...]  # in the order given, as in the ranking
    ranking: Ranking
    machine: Machine
    num_rounds: int  # of timing
    notes: tuple[str, ...] = ()  # what the numbers cannot be relied on for
    published: tuple[PublishedFigure, ...] = ()
    published_trade_offs: tuple[PublishedTradeOff, ...] = ()

    @property
    def front(self) -> list[bool]:
        """Mark the detectors on the Pareto front of latency and mean average precision.

        A detector is faster than another if it was in every round; otherwise the two count as
        equally fast.
        """
        speeds = [one.speeds[0] for one in self.detectors]
        return pareto_front(
            [estimate.value for estimate in self.ranking.estimates],
            lambda one, other: speeds[one].is_faster(speeds[other]),
        )

    def to_json(self) -> dict[str, Any]:
        """Convert to the document that `compare --json` prints."""
        estimates = self.ranking.estimates
        rows = zip(self.detectors, estimates, self.front, strict=True)
        document = {
            "data": self.data,
            "protocol": self.protocol.value,
            "iou_threshold": self.iou_threshold,
            "images": self.images,
            "truths": self.truths,
            "machine": self.machine.to_json(),
            "models": [one.to_json(estimate, on_front=front) for one, estimate, front in rows],
            "notes": list(self.notes),
            "bootstrap": {
                "images": self.ranking.images,
                "resamples": self.ranking.resamples,
                "seed": self.ranking.seed,
                "confidence": self.ranking.confidence,
                "adjustment": "holm",
                "level": SIGNIFICANCE,
            },
            "pairs": [self._pair_to_json(pair) for pair in self.ranking.pairs],
        }
        if self.published:
            document["published"] = [figure.model_dump() for figure in self.published]
            document["published_trade_offs"] = [
                one.model_dump() for one in self.published_trade_offs
            ]
        return document

    def _pair_to_json(self, pair: PairwiseDifference) -> dict[str, Any]:
        """Convert a pair, with the names of its detectors instead of their indices."""
        return {
            **pair._asdict(),
            "first": self.detectors[pair.first].name,
            "second": self.detectors[pair.second].name,
            "differs": pair.differs,
        }
