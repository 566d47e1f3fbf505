"""Charts of a report: precision against recall, reliability, and the curves of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from singleshot.metrics import Curve
from singleshot.metrics.diagnosis import Calibration
from singleshot.metrics.sweep import SCORE_THRESHOLDS, Counts
from singleshot.report.charts import Bubble, Chart, Dot, Series, chart
from singleshot.runs.log import loss_terms

__all__ = [
    "line_of",
    "precision_recall_chart",
    "reliability_chart",
    "threshold_chart",
    "training_charts",
]

UNIT = (0.0, 1.0)
SMALLEST_RADIUS, LARGEST_RADIUS = 2.0, 9.0

MOST_MEANS = 120  # of a loss that changes with every step, so that its course can be seen

Record = Mapping[str, Any]  # a line of log.jsonl


def precision_recall_chart(name: str, curve: Curve | None, counts: Counts) -> Chart:
    """Plot precision against recall, with the point of the score thresholds."""
    return chart(
        name,
        [Series("precision", *line_of(curve))],
        x_label="recall",
        y_label="precision",
        x_range=UNIT,
        y_range=UNIT,
        dot=dot_of(counts),
    )


def line_of(curve: Curve | None) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Get recall and precision to draw; nothing without a curve."""
    if curve is None or not len(curve):
        return np.zeros(0), np.zeros(0)
    # From recall 0, or a class detected at once would have no line at all.
    return np.append(0.0, curve.recall), np.append(curve.precision[0], curve.precision)


def dot_of(counts: Counts) -> Dot | None:
    """Make the point of a threshold; None where undefined."""
    if counts.recall is None or counts.precision is None:
        return None
    words = f"precision {counts.precision:.3f} at recall {counts.recall:.3f}"
    return Dot(counts.recall, counts.precision, words)


def threshold_chart(name: str, counts: Sequence[Counts]) -> Chart:
    """Plot precision, recall and F1 against the score threshold, where defined."""
    lines = {
        "precision": [one.precision for one in counts],
        "recall": [one.recall for one in counts],
        "F1": [one.f1 for one in counts],
    }
    return chart(
        name,
        [is_defined(title, SCORE_THRESHOLDS, values) for title, values in lines.items()],
        x_label="score threshold",
        y_label="precision, recall and F1",
        x_range=UNIT,
        y_range=UNIT,
    )


def is_defined(name: str, xs: Float64[np.ndarray, " n"], values: Sequence[float | None]) -> Series:
    """Draw a line through the defined values."""
    ys = np.array([np.nan if value is None else value for value in values])
    known = ~np.isnan(ys)
    return Series(name, xs[known], ys[known])


def reliability_chart(calibration: Calibration) -> Chart:
    """Plot the share of true positives against the mean score of each bin."""
    filled = [one for one in calibration.bins if one.mean_score is not None]
    scores = np.array([one.mean_score for one in filled], np.float64)
    shares = np.array([one.share_of_true_positives for one in filled], np.float64)
    counts = np.array([one.count for one in filled], np.float64)
    ends = np.array([0.0, 1.0])
    return chart(
        "Reliability",
        [Series("share", scores, shares), Series("perfect calibration", ends, ends)],
        x_label="mean score",
        y_label="share of true positives",
        x_range=UNIT,
        y_range=UNIT,
        bubbles=[
            Bubble(
                x,
                y,
                radius,
                f"{one.count:,} detections with score {one.low:g} to {one.high:g}: "
                f"mean score {x:.2f}, {y:.0%} true positives",
            )
            for one, x, y, radius in zip(filled, scores, shares, radii(counts), strict=True)
        ],
    )


def radii(counts: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Choose radii with areas in proportion to the counts, within visible limits."""
    return np.asarray(
        np.maximum(LARGEST_RADIUS * np.sqrt(counts / counts.max(initial=1)), SMALLEST_RADIUS)
    )


def training_charts(log: Sequence[Record]) -> list[Chart]:
    """Plot the recorded losses, learning rate and validation over the steps."""
    steps = [record for record in log if record["kind"] == "step"]
    evaluations = [record for record in log if record["kind"] == "evaluation"]
    # In the order of the log; a detector trained in stages has not all terms in each step.
    names = dict.fromkeys(name for record in steps for name in loss_terms(record))
    losses = [smooth(series(steps, name)) for name in names]
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
    """Plot from step 0 and from 0, up to `highest` or the maximum; None without values."""
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
    """Collect the finite values of one quantity over the steps."""
    known = [record for record in records if is_number(record.get(name))]
    return Series(
        name.replace("_", " "),
        np.array([record["step"] for record in known], np.float64),
        np.array([record[name] for record in known], np.float64),
    )


def is_number(value: object) -> bool:
    """Accept numbers that are not missing, null, NaN or infinite."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def smooth(line: Series) -> Series:
    """Average over equally many neighbours; a step is a sample of the loss, not the loss."""
    if len(line.xs) <= MOST_MEANS:
        return line
    groups = [np.array_split(values, MOST_MEANS) for values in (line.xs, line.ys)]
    means = [np.array([group.mean() for group in split]) for split in groups]
    return Series(line.name, means[0], means[1])
