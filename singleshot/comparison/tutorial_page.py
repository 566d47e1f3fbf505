"""The tutorial's tables beside the measurements of this machine: result, JSON and page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from singleshot.benchmarking.machine import Machine
from singleshot.comparison.page import FOLDER
from singleshot.comparison.published import PublishedFigure, Tutorial, TutorialSystem
from singleshot.files import write_atomically
from singleshot.metrics.intervals import AccuracyEstimate
from singleshot.metrics.speed import Speed
from singleshot.report.page import content_hash, environment, sorting_script

__all__ = ["MeasuredSystem", "TrainedRun", "TutorialResult", "write_tutorial"]


@dataclass(frozen=True)
class TrainedRun:
    """Accuracy of a run of the same recipe on the given data set."""

    path: str
    input: tuple[int, int]  # height, width: often smaller than the paper's
    mean_average_precision: AccuracyEstimate  # by the protocol
    average_precision_50: float | None  # COCO's, at IoU 0.5


@dataclass(frozen=True)
class MeasuredSystem:
    """A system of the tutorial built at full size with random weights, and its measurements."""

    system: TutorialSystem
    missing: str  # why nothing was measured; empty otherwise
    input: tuple[int, int] | None  # height, width
    num_boxes: int | None
    parameters: int | None
    macs: int | None
    speed: Speed | None
    memory_mb: float | None
    run: TrainedRun | None

    @property
    def network_ms(self) -> float | None:
        """Time of preprocessing and network; postprocessing depends on trained weights.

        The total of a detector whose phases are unknown.
        """
        if self.speed is None:
            return None
        if self.speed.preprocess_ms is None or self.speed.network_ms is None:
            return self.speed.total_ms
        return self.speed.preprocess_ms + self.speed.network_ms

    @property
    def frames_per_second(self) -> float | None:
        """Images per second by `network_ms`."""
        return None if self.network_ms is None else 1000 / self.network_ms

    def to_json(self) -> dict[str, Any]:
        """Convert to plain numbers; null where nothing was measured."""
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
    """The tutorial's tables, and beside them the measurements of each system."""

    tutorial: Tutorial
    systems: Mapping[str, MeasuredSystem]  # by recipe, in the tutorial's order
    machine: Machine
    num_classes: int  # that the networks were built for
    images: str  # description of the images used for timing
    data: str  # description of the data set that runs were evaluated on; empty without any
    protocol: str
    published: tuple[PublishedFigure, ...]

    def to_json(self) -> dict[str, Any]:
        """Convert to the document that `compare --tutorial --json` prints."""
        return {
            "machine": self.machine.to_json(),
            "num_classes": self.num_classes,
            "images": self.images,
            "data": self.data or None,
            "protocol": self.protocol,
            "systems": [one.to_json() for one in self.systems.values()],
            "tables": [table.model_dump(mode="json") for table in self.tutorial.tables],
            "errata": self.tutorial.errata,
            "published": [figure.model_dump() for figure in self.published],
        }


def write_tutorial(result: TutorialResult, path: Path, *, command: str, version: str) -> Path:
    """Write one HTML file that needs no other and no network, and `tutorial.json` beside it."""
    with write_atomically(path) as partial:
        partial.write_text(_render(result, command=command, version=version), encoding="utf-8")
    with write_atomically(path.with_name("tutorial.json")) as partial:
        partial.write_text(json.dumps(result.to_json(), indent=2, allow_nan=False) + "\n")
    return path


def _render(result: TutorialResult, *, command: str, version: str) -> str:
    """Fill in the template; everything from outside is escaped."""
    filled = environment(FOLDER)
    script = sorting_script() + (FOLDER / "comparison.js").read_text(encoding="utf-8")
    return filled.get_template("tutorial.html").render(
        result=result,
        systems=list(result.systems.values()),
        marks={name: mark for mark, name in enumerate(_errata_in_order(result), start=1)},
        command=command,
        version=version,
        script=Markup(script),
        script_hash=content_hash(script),
    )


def _errata_in_order(result: TutorialResult) -> list[str]:
    """List the errata in the order in which the page refers to them, each once."""

    def all_notes() -> Iterable[str]:
        for table in result.tutorial.tables:
            yield from table.notes
            for cells in (table.printed, *(row.cells for row in table.rows)):
                for cell in cells:
                    yield from cell.notes
        for system in result.tutorial.systems:
            yield from system.notes

    return list(dict.fromkeys(all_notes()))
