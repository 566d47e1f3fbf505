"""The page: what goes into it, and how it becomes a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from singleshot.evaluation.explorer import explore
from singleshot.evaluation.findings import findings_of
from singleshot.evaluation.gallery import Gallery
from singleshot.evaluation.plots import training_charts
from singleshot.files import write_atomically
from singleshot.metrics import DEFAULT_SCORE_THRESHOLD, Protocol, Report
from singleshot.metrics.bootstrap import FEWEST_IMAGES, Comparison
from singleshot.metrics.diagnosis import Diagnosis
from singleshot.metrics.miss_rate import FEWEST_IMAGES as FEWEST_FOR_MISS_RATES
from singleshot.metrics.sweep import Swept
from singleshot.report.images import Exhibit
from singleshot.report.page import HERE, content_hash, environment

__all__ = ["IN_WORDS", "Page", "Showcase", "write_report"]

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
        f"at most 100 detections per image and class; {MEAN}. Crowds do not count. For curves and "
        f"operating points: {HIT[0].lower()}{HIT[1:]}"
    ),
}


@dataclass(frozen=True)
class Showcase:
    """Everything that is shown of images; empty where there are none to read."""

    at_random: Sequence[Exhibit] = ()
    hardest: Sequence[Exhibit] = ()
    galleries: Sequence[Gallery] = ()
    suspects: Gallery | None = None


@dataclass(frozen=True)
class Page:
    """What a report shows; a part left empty is left out."""

    title: str
    data: str  # what was measured on, in words
    report: Report
    sweep: Sequence[Swept]  # one of them at the IoU threshold of the report
    diagnosis: Diagnosis
    showcase: Showcase
    log: Sequence[Mapping[str, Any]]  # lines of log.jsonl
    recipe: str  # resolved, as TOML
    command: str
    version: str
    compared_with: str = ""  # whose predictions the comparison of the report is with


def write_report(page: Page, path: Path) -> Path:
    """Write one HTML file that needs no other and no network; returns its path."""
    with write_atomically(path) as beside:
        beside.write_text(render(page), encoding="utf-8")
    return path


def render(page: Page) -> str:
    """Fill in the page; everything from outside is escaped."""
    filled = environment()
    script = (HERE / "page.js").read_text(encoding="utf-8")
    report = page.report
    return filled.get_template("page.html").render(
        page=page,
        report=report,
        showcase=page.showcase,
        protocol=IN_WORDS[report.protocol].format(iou_threshold=report.iou_threshold),
        class_names=list(report.per_class),
        stand_in=DEFAULT_SCORE_THRESHOLD,
        without_hits=without_hits(report),
        fewest_images=FEWEST_IMAGES,
        fewest_for_miss_rates=FEWEST_FOR_MISS_RATES,
        thresholds=report.score_thresholds,
        now=page.sweep[[one.iou_threshold for one in page.sweep].index(report.iou_threshold)],
        explorer=explore(
            page.sweep,
            list(report.per_class),
            iou_threshold=report.iou_threshold,
            num_images=report.images,
        ),
        findings=findings_of(page.diagnosis),
        training_charts=training_charts(page.log),
        widest=widest_bound(report.comparison),
        script=Markup(script),
        script_hash=content_hash(script),
    )


def without_hits(report: Report) -> list[str]:
    """Classes of which not a single object is found."""
    return [name for name, one in report.per_class.items() if one.best_f1.f1 == 0]


def widest_bound(comparison: Comparison | None) -> float:
    """How far the intervals of a comparison reach from 0, to draw them to one scale."""
    if comparison is None:
        return 0.0
    intervals = (comparison.mean_average_precision, *comparison.per_class.values())
    bounds = (bound for one in intervals for bound in (one.low, one.high) if bound is not None)
    return max(map(abs, bounds), default=0.0) or 1.0
