"""Figures of the lesson on average precision: the curve of the twelve dogs, point by point."""

from __future__ import annotations

import numpy as np
from tutorial.drawing import BLUE, GREEN, ORANGE, Canvas, Figure, Live, Plot
from tutorial.figures.precision_and_recall import IS_DOG, NUM_DOGS, SCORES

from singleshot.metrics import every_point, precision_recall_curve

__all__ = ["average_precisions", "detection_table", "envelope", "live_curve"]

CURVE = precision_recall_curve(SCORES, IS_DOG, num_truths=NUM_DOGS)
TICKS = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
SIZE = (480, 330)


def start_plot() -> tuple[Canvas, Plot]:
    """Draw the axes of precision against recall."""
    canvas = Canvas(*SIZE)
    plot = Plot(canvas, (50, 12, SIZE[0] - 12, SIZE[1] - 45))
    plot.draw_axes(("recall", "precision"), (TICKS, TICKS))
    return canvas, plot


def dot(canvas: Canvas, plot: Plot, number: int, more: str = "") -> None:
    """Draw the point after one detection: full for a true positive, hollow for a false one."""
    x, y = plot.at(CURVE.recall[number], CURVE.precision[number])
    colour = GREEN if IS_DOG[number] else ORANGE
    fill = colour if IS_DOG[number] else "var(--md-default-bg-color, #fff)"
    canvas.add(
        f'<circle cx="{x:g}" cy="{y:g}" r="6" fill="{fill}" stroke="{colour}" stroke-width="3"'
        f" {more}/>"
    )


def envelope() -> Figure:
    """Draw all points, the envelope, and the area under it."""
    canvas, plot = start_plot()
    heights = np.maximum.accumulate(CURVE.precision[::-1])[::-1]
    corners, before = [plot.at(0, heights[0])], 0.0
    for recall, height in zip(CURVE.recall, heights, strict=True):
        corners += [plot.at(before, height), plot.at(recall, height)]
        before = recall
    corners.append(plot.at(before, 0))
    points = " ".join(f"{x:g},{y:g}" for x, y in [*corners, plot.at(0, 0)])
    canvas.add(f'<polygon points="{points}" fill="{BLUE}" opacity="0.25"/>')
    canvas.line(corners, BLUE, 'stroke-width="3"')
    for number in range(len(SCORES)):
        dot(canvas, plot, number)
    area = every_point(CURVE.recall, CURVE.precision)
    canvas.text(*plot.at(0.21, 0.35), f"AP {area:.4f}", anchor="middle")
    return canvas.figure(
        "Precision against recall for the eight detections, and a line that falls in steps from "
        f"1 to 0.714 and ends at recall 0.4167. The area under it is {area:.4f}."
    )


def detection_table() -> str:
    """Write the table of the detections, best first, in Markdown."""
    rows = ["| | score | is | TP so far | precision | recall | best precision from here on |"]
    rows.append("|---|---|---|---|---|---|---|")
    for number, (score, precision) in enumerate(zip(SCORES, CURVE.precision, strict=True), 1):
        right = int(IS_DOG[:number].sum())
        best = CURVE.precision[number - 1 :].max()
        cells = [
            f"{score:.2f}",
            "a dog" if IS_DOG[number - 1] else "a cat",
            str(right),
            f"{right}/{number} = {precision:.3g}",
            f"{right}/{NUM_DOGS}",
            f"{best:.3g}",
        ]
        rows.append(f"| {number} | {' | '.join(cells)} |")
    return "\n".join(rows)


def average_precisions() -> list[float]:
    """Compute the average precision of the first 1, 2, … 8 detections."""
    return [
        every_point(CURVE.recall[:count], CURVE.precision[:count])
        for count in range(1, len(SCORES) + 1)
    ]


def live_curve() -> Live:
    """Draw the axes, on which the points appear one by one."""
    canvas, plot = start_plot()
    canvas.add(f'<polygon data-part="area" points="" fill="{BLUE}" opacity="0.25"/>')
    canvas.add(
        f'<polyline data-part="line" points="" fill="none" stroke="{BLUE}" stroke-width="3"/>'
    )
    for number in range(len(SCORES)):
        dot(canvas, plot, number, f'data-detection="{number}" visibility="hidden"')
    area = average_precisions()[-1]
    text = (
        "The curve grows by a point with each detection. A true positive moves it to the right, a "
        f"false positive straight down. After all eight the area is {area:.4f}."
    )
    controls = (
        '<div class="controls"><button type="button" data-step="1">Next detection</button>'
        '<button type="button" data-step="-1">Back</button></div>'
        '<p class="reading" aria-live="polite"><span data-value="last">No detection yet.</span> '
        'Precision <b data-value="precision">–</b>, recall <b data-value="recall">0</b>, area '
        '<b data-value="area">0.0000</b></p>'
    )
    data = {
        "scores": SCORES.tolist(),
        "isDog": IS_DOG.tolist(),
        "numDogs": NUM_DOGS,
        "plot": plot.box,
    }
    return Live(canvas.figure(text), controls, data)
