"""The charts of a report: precision against recall, and how a training went."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from singleshot.metrics import BestF1, ClassReport, Curve
from singleshot.report.charts import Chart, Dot, Series, chart

__all__ = ["precision_recall_chart", "training_charts"]

MOST_MEANS = 120  # of a loss that changes with every step, so that its course can be seen

Record = Mapping[str, Any]  # a line of log.jsonl


def precision_recall_chart(name: str, curve: Curve, numbers: ClassReport) -> Chart:
    """Precision against recall of one class, with the point of its best F1."""
    reachable = curve.at_thresholds()
    # From recall 0, or a class found with its first detection would have no line at all.
    recall = np.insert(reachable.recall, 0, 0.0)
    precision = np.insert(reachable.precision, 0, reachable.precision[:1].sum())
    return chart(
        name,
        [Series("precision", recall, precision)],
        x_label="recall",
        y_label="precision",
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
        dot=best_dot(numbers.best_f1),
    )


def best_dot(best: BestF1) -> Dot | None:
    """Where a threshold serves best."""
    if best.recall is None or best.precision is None:
        return None
    return Dot(
        best.recall, best.precision, f"F1 {best.f1:.2f} from score {best.score_threshold:.2f}"
    )


def training_charts(log: Sequence[Record]) -> list[Chart]:
    """Losses, learning rate and validation over the steps; those that were recorded."""
    steps = [record for record in log if record["kind"] == "step"]
    evaluations = [record for record in log if record["kind"] == "evaluation"]
    losses = [smooth(series(steps, name)) for name in ("localization", "classification")]
    candidates = [
        over_steps("Losses", losses, "loss"),
        over_steps("Learning rate", [series(steps, "learning_rate")], "learning rate"),
        over_steps(
            "Validation",
            [series(evaluations, "mean_average_precision")],
            "mean average precision",
            highest=1.0,
        ),
    ]
    return [one for one in candidates if one is not None]


def over_steps(
    title: str, lines: Sequence[Series], y_label: str, highest: float | None = None
) -> Chart | None:
    """A chart from step 0 and from 0, up to `highest` or what occurs; None with nothing to show."""
    lines = [line for line in lines if len(line.xs)]
    if not lines:
        return None
    top = highest or max(float(line.ys.max()) for line in lines) or 1.0
    last_step = max(float(line.xs.max()) for line in lines) or 1.0
    return chart(
        title,
        lines,
        x_label="step",
        y_label=y_label,
        x_range=(0.0, last_step),
        y_range=(0.0, top),
    )


def series(records: Sequence[Record], name: str) -> Series:
    """One quantity over the steps, as far as it is a finite number."""
    known = [record for record in records if is_number(record.get(name))]
    return Series(
        name.replace("_", " "),
        np.array([record["step"] for record in known], np.float64),
        np.array([record[name] for record in known], np.float64),
    )


def is_number(value: object) -> bool:
    """Not missing, null, NaN or infinite."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def smooth(line: Series) -> Series:
    """Means of equally many neighbours; a step is a sample of the loss, not the loss."""
    if len(line.xs) <= MOST_MEANS:
        return line
    groups = [np.array_split(values, MOST_MEANS) for values in (line.xs, line.ys)]
    means = [np.array([group.mean() for group in split]) for split in groups]
    return Series(line.name, means[0], means[1])
