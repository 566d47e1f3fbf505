"""The page: what goes into it, and how it becomes a file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from singleshot.files import appears_whole
from singleshot.metrics import DEFAULT_SCORE_THRESHOLD, Protocol, Report
from singleshot.metrics.bootstrap import FEWEST_PICTURES, Comparison
from singleshot.metrics.diagnosis import Diagnosis
from singleshot.metrics.miss_rate import FEWEST_PICTURES as FEWEST_FOR_MISS_RATES
from singleshot.metrics.sweep import Swept
from singleshot.report.explorer import explore
from singleshot.report.findings import findings_of
from singleshot.report.gallery import Gallery
from singleshot.report.pictures import Exhibit
from singleshot.report.plots import training_charts

__all__ = ["Page", "Showcase", "environment", "write_report"]

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
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Showcase:
    """Everything that is shown of pictures; empty where there are none to read."""

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
    with appears_whole(path) as beside:
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
        fewest_pictures=FEWEST_PICTURES,
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


def environment() -> Environment:
    """Templates and filters, for any page in this style; everything from outside is escaped."""
    # StrictUndefined: a misspelt name in the template is an error instead of a blank.
    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "counted": counted,
        "number": number,
        "per_picture": per_picture,
        "percent": percent,
        "reached": reached,
        "signed": signed,
    }
    return made


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


def content_hash(text: str) -> str:
    """How a content security policy names the one script that may run (CSP level 2, §4.2.5)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def number(value: float | None, digits: int = 3) -> str:
    """A dash where undefined."""
    return UNDEFINED if value is None else f"{value:.{digits}f}"


def reached(value: float | None) -> str:
    """A precision or recall that can be had; 0 says that no threshold reaches what is asked."""
    return "never" if value == 0 else number(value)


def signed(value: float | None, digits: int = 3) -> str:
    """With a plus or a minus unless it rounds to 0; a dash where undefined."""
    if value is None:
        return UNDEFINED
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "\N{MINUS SIGN}") if rounded else f"{0:.{digits}f}"


def counted(count: int, thing: str) -> str:
    """`1 hit`, `2 hits`."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def per_picture(count: int, num_images: int) -> str:
    """With two digits; a dash without pictures."""
    return number(count / num_images if num_images else None, 2)


def percent(value: float | None) -> str:
    """Without digits after the point; a dash where undefined."""
    return UNDEFINED if value is None else f"{value:.0%}"
