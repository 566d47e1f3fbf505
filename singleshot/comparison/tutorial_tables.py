"""The tutorial's tables with what can be measured here, as the page and programs see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from singleshot.comparison.contest import Machine
from singleshot.comparison.published import Figure, System, Tutorial
from singleshot.comparison.standings import Estimate
from singleshot.metrics.speed import Speed

__all__ = ["MeasuredSystem", "OwnRun", "TutorialResult"]


@dataclass(frozen=True)
class OwnRun:
    """What a run of the same recipe reaches on the data set given."""

    path: str
    input: tuple[int, int]  # height, width: often smaller than the paper's
    mean_average_precision: Estimate  # by the protocol
    average_precision_50: float | None  # COCO's, at IoU 0.5


@dataclass(frozen=True)
class MeasuredSystem:
    """A system of the tutorial as it is built here: full size, with random weights."""

    system: System
    missing: str  # why nothing was measured; empty where it was
    input: tuple[int, int] | None  # height, width
    num_boxes: int | None
    parameters: int | None
    macs: int | None
    speed: Speed | None
    memory_mb: float | None
    run: OwnRun | None

    @property
    def network_ms(self) -> float | None:
        """Of preparing an image and the network; random weights leave nothing sound to choose.

        The whole time of a detector whose phases cannot be told apart.
        """
        if self.speed is None:
            return None
        if self.speed.preprocess_ms is None or self.speed.network_ms is None:
            return self.speed.total_ms
        return self.speed.preprocess_ms + self.speed.network_ms

    @property
    def frames_per_second(self) -> float | None:
        """Images a second by `network_ms`."""
        return None if self.network_ms is None else 1000 / self.network_ms

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; null where nothing was measured."""
        document = {
            **self.system.model_dump(mode="json"),
            "missing": self.missing or None,
            "input": None if self.input is None else list(self.input),
            "num_boxes": self.num_boxes,
            "parameters": self.parameters,
            "macs": self.macs,
            "network_ms": self.network_ms,
            "frames_per_second": self.frames_per_second,
            "memory_mb": self.memory_mb,
            "speed": None if self.speed is None else self.speed.to_json(),
            "run": None,
        }
        if self.run is not None:
            estimate = self.run.mean_average_precision
            document["run"] = {
                "model": self.run.path,
                "input": list(self.run.input),
                "mean_average_precision": estimate.value,
                "interval": None if estimate.low is None else [estimate.low, estimate.high],
                "AP50": self.run.average_precision_50,
            }
        return document


@dataclass(frozen=True)
class TutorialResult:
    """The tutorial's tables, and beside them what was measured."""

    tutorial: Tutorial
    systems: Mapping[str, MeasuredSystem]  # by recipe, in the tutorial's order
    machine: Machine
    num_classes: int  # that the networks were built for
    images: str  # what they were timed on, in words
    data: str  # what the runs were judged on, in words; empty without any
    protocol: str
    published: tuple[Figure, ...]

    def to_json(self) -> dict[str, Any]:
        """What `compare --tutorial --json` prints."""
        return {
            "machine": asdict(self.machine),
            "num_classes": self.num_classes,
            "images": self.images,
            "data": self.data or None,
            "protocol": self.protocol,
            "systems": [one.to_json() for one in self.systems.values()],
            "tables": [table.model_dump(mode="json") for table in self.tutorial.tables],
            "slips": self.tutorial.slips,
            "published": [figure.model_dump() for figure in self.published],
        }
