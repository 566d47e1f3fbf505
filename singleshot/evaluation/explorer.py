"""Interactive part of the page: counts at every threshold for its script, and the first view."""

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
from singleshot.metrics.sweep import Counts, ThresholdSweep
from singleshot.report.charts import BOTTOM, LEFT, RIGHT, TOP, Chart

__all__ = ["Explorer", "build_explorer"]

MOST_CHARTS = 12  # classes shown side by side; more are chosen from a list
PER_MILLE = 1000  # lines are drawn to this precision


@dataclass(frozen=True)
class Explorer:
    """First view of the page, and the counts of all others."""

    data: Markup  # JSON, safe to stand in a script element
    start: int  # index of the IoU threshold
    iou_thresholds: tuple[float, ...]
    total: Counts  # at the best F1 of each class
    whole_chart: Chart
    threshold_chart: Chart
    class_charts: tuple[tuple[int, Chart, Counts], ...]  # none for many classes


def build_explorer(
    sweep: Sequence[ThresholdSweep],
    class_names: Sequence[str],
    *,
    iou_threshold: float,
    num_images: int,
) -> Explorer:
    """Build the view at the IoU threshold of the report, each class at its best F1."""
    start = [one.iou_threshold for one in sweep].index(iou_threshold)
    now = sweep[start]
    drawn = [label for label, curve in enumerate(now.curves) if curve is not None]
    counts = [now.at_step(step) for step in range(now.true_positives.shape[1])]
    return Explorer(
        data=to_markup(sweep, class_names, start, num_images),
        start=start,
        iou_thresholds=tuple(one.iou_threshold for one in sweep),
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


def to_markup(
    sweep: Sequence[ThresholdSweep], class_names: Sequence[str], start: int, num_images: int
) -> Markup:
    """Write the JSON of page.js; the first index of counts and lines is the IoU threshold."""
    document = {
        "start": start,
        "images": num_images,
        "ious": [one.iou_threshold for one in sweep],
        "plot": [LEFT, TOP, RIGHT, BOTTOM],
        "line": [to_changes(one.pooled) for one in sweep],
        "classes": [class_json(sweep, label, name) for label, name in enumerate(class_names)],
    }
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    # `</script>` and `<!--` in a class name would end the element.
    return Markup(text.replace("<", "\\u003c"))


def class_json(sweep: Sequence[ThresholdSweep], label: int, name: str) -> dict[str, Any]:
    """Collect the counts and curves of one class."""
    return {
        "name": name,
        "truths": int(sweep[0].truths[label]),
        "truePositives": [losses_of(one.true_positives[label]) for one in sweep],
        "falsePositives": [losses_of(one.false_positives[label]) for one in sweep],
        "best": [best_json(one, label) for one in sweep],
        "line": [to_changes(one.curves[label]) for one in sweep],
    }


def best_json(one: ThresholdSweep, label: int) -> list[float | int]:
    """List the score threshold of the best F1, with true and false positives there."""
    best = one.at_best(label)
    return [float(one.best_thresholds[label]), best.true_positives, best.false_positives]


def losses_of(counts: Int64[np.ndarray, " steps"]) -> list[int]:
    """Compute the loss from each step to the next, which is shorter than the counts."""
    lost: list[int] = (counts - np.append(counts[1:], 0)).tolist()
    while lost and not lost[-1]:
        lost.pop()
    return lost


def to_changes(curve: Curve | None) -> list[int]:
    """Convert a curve to changes of recall and precision by turns, in thousandths."""
    points = np.stack(line_of(curve), axis=1)
    thousandths = (points * PER_MILLE).round().astype(np.int64)
    steps: list[int] = np.diff(thousandths, axis=0, prepend=0).ravel().tolist()
    return steps
