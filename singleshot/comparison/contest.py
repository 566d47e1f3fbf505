"""A comparison of detectors as the page and programs see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from singleshot.comparison.pareto import front_of
from singleshot.comparison.published import Figure
from singleshot.comparison.standings import LEVEL, Estimate, Pair, Standings
from singleshot.metrics import CocoNumbers, Protocol
from singleshot.metrics.speed import Speed

__all__ = ["Contender", "Contest", "Machine"]


@dataclass(frozen=True)
class Machine:
    """What speed was measured on."""

    processor: str
    cores: int
    threads: int  # that PyTorch computes with
    device: str
    system: str
    python: str
    torch: str


@dataclass(frozen=True)
class Contender:
    """One detector: what it is, and what was measured of it."""

    name: str  # the end of its path, as long as tells it from the others
    path: str
    kind: str  # ssd, yolo-v1 …
    input: tuple[int, int]  # height, width
    num_boxes: int
    parameters: int
    macs: int  # multiply-adds of one image
    file_bytes: int  # of its weights
    coco: CocoNumbers  # by COCO's rules, whatever the protocol
    per_class: Mapping[str, float | None]  # average precision
    speeds: tuple[Speed, ...]  # smallest batches first, of one image
    memory_before_mb: float | None  # of its process, before there was a detector in it

    @property
    def latency_ms(self) -> float:
        """Of one image alone."""
        return self.speeds[0].total_ms

    @property
    def memory_mb(self) -> float | None:
        """The most that one image at a time took, beyond what the program takes without it."""
        peak, before = self.speeds[0].peak_memory_mb, self.memory_before_mb
        return None if peak is None or before is None else max(peak - before, 0.0)

    def to_json(self, estimate: Estimate, *, on_front: bool) -> dict[str, Any]:
        """Plain numbers; null where undefined."""
        known = estimate.low is not None
        return {
            "model": self.path,
            "name": self.name,
            "kind": self.kind,
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
class Contest:
    """Detectors on the same images, by the same rules, on one machine, in one run."""

    data: str  # in words
    protocol: Protocol
    iou_threshold: float  # of a hit; COCO has its own ten
    images: int
    truths: int
    contenders: tuple[Contender, ...]  # in the order given, as are the standings
    standings: Standings
    machine: Machine
    num_rounds: int  # of timing
    published: tuple[Figure, ...] = ()

    @property
    def front(self) -> list[bool]:
        """Which are on the Pareto front of latency and mean average precision.

        Those that the timings do not tell apart count as equally fast.
        """
        alone = [one.speeds[0] for one in self.contenders]
        return front_of(
            [estimate.value for estimate in self.standings.estimates],
            lambda one, other: alone[one].is_faster(alone[other]),
        )

    def to_json(self) -> dict[str, Any]:
        """What `compare --json` prints."""
        estimates = self.standings.estimates
        document = {
            "data": self.data,
            "protocol": self.protocol.value,
            "iou_threshold": self.iou_threshold,
            "images": self.images,
            "truths": self.truths,
            "machine": asdict(self.machine),
            "models": [
                one.to_json(estimate, on_front=on_front)
                for one, estimate, on_front in zip(
                    self.contenders, estimates, self.front, strict=True
                )
            ],
            "bootstrap": {
                "resamples": self.standings.resamples,
                "seed": self.standings.seed,
                "confidence": self.standings.confidence,
                "adjustment": "holm",
                "level": LEVEL,
            },
            "pairs": [self.pair_to_json(pair) for pair in self.standings.pairs],
        }
        if self.published:
            document["published"] = [figure.model_dump() for figure in self.published]
        return document

    def pair_to_json(self, pair: Pair) -> dict[str, Any]:
        """With the names of the two."""
        return {
            **pair._asdict(),
            "first": self.contenders[pair.first].name,
            "second": self.contenders[pair.second].name,
            "differs": pair.differs,
        }
