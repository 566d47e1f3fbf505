"""What moves with the sliders: the numbers the page's script works with, and where it starts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from markupsafe import Markup

from singleshot.evaluation.plots import line_of, precision_recall_chart, threshold_chart
from singleshot.metrics import Curve
from singleshot.metrics.sweep import Counts, Swept
from singleshot.report.charts import BOTTOM, LEFT, RIGHT, TOP, Chart

__all__ = ["Explorer", "explore"]

MOST_CHARTS = 12  # classes shown side by side; more are chosen from a list
PER_MILLE = 1000  # lines are drawn to this precision


@dataclass(frozen=True)
class Explorer:
    """The state in which a page opens, and everything it needs to leave it."""

    data: Markup  # JSON, safe to stand in a script element
    start: int  # index of the IoU threshold
    iou_thresholds: tuple[float, ...]
    total: Counts  # at the best F1 of each class
    whole_chart: Chart
    threshold_chart: Chart
    class_charts: tuple[tuple[int, Chart, Counts], ...]  # none for many classes


def explore(
    sweep: Sequence[Swept], class_names: Sequence[str], *, iou_threshold: float, num_images: int
) -> Explorer:
    """Start at the IoU threshold of the report, each class at its best F1."""
    start = [swept.iou_threshold for swept in sweep].index(iou_threshold)
    now = sweep[start]
    drawn = [label for label, curve in enumerate(now.curves) if curve is not None]
    counts = [now.at_step(step) for step in range(now.hits.shape[1])]
    return Explorer(
        data=as_json(sweep, class_names, start, num_images),
        start=start,
        iou_thresholds=tuple(swept.iou_threshold for swept in sweep),
        total=now.at_best(),
        whole_chart=precision_recall_chart("All classes", now.pooled, now.at_best()),
        threshold_chart=threshold_chart("All classes", counts),
        class_charts=tuple(
            (
                label,
                precision_recall_chart(class_names[label], now.curves[label], now.at_best(label)),
                now.at_best(label),
            )
            for label in drawn
        )
        if len(drawn) <= MOST_CHARTS
        else (),
    )


def as_json(
    sweep: Sequence[Swept], class_names: Sequence[str], start: int, num_images: int
) -> Markup:
    """What page.js reads; the first index of counts and lines is the IoU threshold."""
    document = {
        "start": start,
        "images": num_images,
        "ious": [swept.iou_threshold for swept in sweep],
        "plot": [LEFT, TOP, RIGHT, BOTTOM],
        "line": [changes(swept.pooled) for swept in sweep],
        "classes": [class_json(sweep, label, name) for label, name in enumerate(class_names)],
    }
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    # `</script>` and `<!--` in a class name would end the element.
    return Markup(text.replace("<", "\\u003c"))


def class_json(sweep: Sequence[Swept], label: int, name: str) -> dict[str, Any]:
    """Everything of one class."""
    return {
        "name": name,
        "truths": int(sweep[0].truths[label]),
        "hits": [falls(swept.hits[label]) for swept in sweep],
        "falsePositives": [falls(swept.false_positives[label]) for swept in sweep],
        "best": [best_json(swept, label) for swept in sweep],
        "line": [changes(swept.curves[label]) for swept in sweep],
    }


def best_json(swept: Swept, label: int) -> list[float | int]:
    """Score threshold of the best F1, hits and false positives there."""
    best = swept.at_best(label)
    return [float(swept.best_thresholds[label]), best.hits, best.false_positives]


def falls(counts: Int64[np.ndarray, " steps"]) -> list[int]:
    """How much is lost from each step to the next, which is shorter than what is left."""
    lost: list[int] = (counts - np.append(counts[1:], 0)).tolist()
    while lost and not lost[-1]:
        lost.pop()
    return lost


def changes(curve: Curve | None) -> list[int]:
    """Recall and precision by turns, in thousandths, each as its change from the one before."""
    points = np.stack(line_of(curve), axis=1)
    thousandths = (points * PER_MILLE).round().astype(np.int64)
    steps: list[int] = np.diff(thousandths, axis=0, prepend=0).ravel().tolist()
    return steps
