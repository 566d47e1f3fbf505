"""The page: what goes into it, and how it becomes a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from singleshot.files import appears_whole
from singleshot.metrics import Curve, Protocol, Report
from singleshot.report.gallery import Exhibit, figure
from singleshot.report.plots import precision_recall_chart, training_charts

__all__ = ["Page", "write_report"]

HIT = (
    "A detection is a hit when its IoU with the object of its class it overlaps most is at least "
    "{iou_threshold:g} and no detection with a higher score has that object."
)
MEAN = "its mean over the classes is the figure above"
IN_WORDS = {
    Protocol.VOC07: (
        f"PASCAL VOC 2007. {HIT} Objects marked difficult do not count. Average precision is the "
        f"mean of the best precisions at the eleven recalls 0, 0.1 … 1; {MEAN}."
    ),
    Protocol.VOC10: (
        f"PASCAL VOC 2010. {HIT} Objects marked difficult do not count. Average precision is the "
        f"area under the curve of best precision over recall; {MEAN}."
    ),
    Protocol.COCO: (
        "COCO. Average precision is averaged over the ten IoU thresholds 0.50, 0.55 … 0.95, with "
        f"at most 100 detections a picture and class; {MEAN}. Crowds do not count. For curves and "
        f"operating points: {HIT[0].lower()}{HIT[1:]}"
    ),
}
UNDEFINED = "\N{EN DASH}"


@dataclass(frozen=True)
class Page:
    """What a report shows; a part left empty is left out."""

    title: str
    data: str  # what was measured on, in words
    report: Report
    curves: Mapping[str, Curve]  # of the classes that have truths
    exhibits: Sequence[Exhibit]
    log: Sequence[Mapping[str, Any]]  # lines of log.jsonl
    recipe: str  # resolved, as TOML
    command: str
    version: str


def write_report(page: Page, path: Path) -> Path:
    """Write one HTML file that needs no other and no network; returns its path."""
    with appears_whole(path) as beside:
        beside.write_text(render(page), encoding="utf-8")
    return path


def render(page: Page) -> str:
    """Fill in the page; everything from outside is escaped."""
    here = Path(__file__).parent
    # StrictUndefined: a misspelt name in the template is an error instead of a blank.
    environment = Environment(
        loader=FileSystemLoader(here),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    per_class = page.report.per_class
    thresholds = torch.from_numpy(page.report.score_thresholds).float()
    return environment.get_template("page.html").render(
        page=page,
        report=page.report,
        protocol=IN_WORDS[page.report.protocol].format(iou_threshold=page.report.iou_threshold),
        class_charts=[
            precision_recall_chart(name, curve, per_class[name])
            for name, curve in page.curves.items()
        ],
        training_charts=training_charts(page.log),
        figures=[figure(exhibit, list(per_class), thresholds) for exhibit in page.exhibits],
    )


def number(value: float | None, digits: int = 3) -> str:
    """A dash where undefined."""
    return UNDEFINED if value is None else f"{value:.{digits}f}"
