"""Figures of the lesson on rulebooks: five detections of four dogs, and three ways to an area."""

from __future__ import annotations

import numpy as np
import torch
from tutorial.drawing import BLUE, GREEN, ORANGE, Canvas, Figure, Live, Plot
from tutorial.figures.average_precision import CURVE, start_plot
from tutorial.photographs import DOGS, open_photograph

from singleshot.boxes.geometry import pairwise_iou
from singleshot.metrics import (
    Predictions,
    Protocol,
    Report,
    Truths,
    compute_metrics,
    eleven_points,
)

__all__ = ["difficult_rows", "eleven_heights", "five_detections", "live_iou_threshold"]

FOUND = [
    (22, 4, 322, 315),
    (350, 62, 600, 305),
    (345, 335, 570, 570),
    (255, 160, 345, 250),
    (80, 375, 310, 600),
]
SCORES = [0.95, 0.90, 0.80, 0.70, 0.60]
WIDTH = 420
THRESHOLDS = np.linspace(0.5, 0.95, 10)


def overlaps() -> list[float]:
    """Compute the IoU of each detection with the dog that it overlaps most."""
    return pairwise_iou(torch.tensor(FOUND).float(), torch.tensor(DOGS).float()).amax(1).tolist()


def detections_canvas() -> Canvas:
    """Draw the dogs, their boxes and those of the detections."""
    photograph = open_photograph("dogs")
    scale = WIDTH / photograph.width
    canvas = Canvas(WIDTH, scale * photograph.height)
    canvas.photograph(photograph, 0, 0, WIDTH)
    for box in DOGS:
        canvas.box([scale * side for side in box], GREEN)
    for number, (box, score, iou) in enumerate(zip(FOUND, SCORES, overlaps(), strict=True)):
        canvas.add(f'<g data-detection="{number}">')
        canvas.box([scale * side for side in box], BLUE, f"{score:.2f}, IoU {iou:.2f}", dashed=True)
        canvas.add("</g>")
    return canvas


def five_detections() -> Figure:
    """Draw the image with its truth and five detections."""
    listed = ", ".join(f"{iou:.2f}" for iou in overlaps())
    return detections_canvas().figure(
        "Four dogs with their annotated boxes and five detections, whose IoU with the nearest dog "
        f"is, from the best score down, {listed}."
    )


def live_iou_threshold() -> Live:
    """Draw the AP of the detections at each of COCO's thresholds, one of them chosen."""
    canvas = Canvas(480, 250)
    plot = Plot(canvas, (50, 12, 468, 205), x_range=(0.45, 1.0))
    plot.draw_axes(("IoU threshold", "AP"), ([0.5, 0.6, 0.7, 0.8, 0.9], [0, 0.25, 0.5, 0.75, 1]))
    dots = []
    for threshold in THRESHOLDS:
        x, _ = plot.at(threshold, 0)
        dots.append(f'<circle data-dot="" cx="{x:g}" cy="205" r="5" fill="{BLUE}"/>')
    canvas.add("".join(dots))
    x, _ = plot.at(0.5, 0)
    canvas.add(
        f'<line data-part="chosen" x1="{x:g}" x2="{x:g}" y1="12" y2="205"'
        f' stroke="{ORANGE}" stroke-width="2"/>'
    )
    controls = (
        '<div class="controls"><label>IoU threshold <input type="range" min="0.5" max="0.95" '
        'step="0.05" value="0.5"><b data-value="threshold">0.50</b></label></div>'
        '<p aria-live="polite" class="reading">True positives: <b data-value="tp"></b> of 5. '
        'AP at this threshold: <b data-value="ap"></b>. '
        'Mean over all ten: <b data-value="mean"></b></p>'
    )
    text = (
        "AP of the five detections at the IoU thresholds 0.5, 0.55 … 0.95. It falls in steps, as "
        "one detection after the other becomes a false positive."
    )
    data = {
        "ious": overlaps(),
        "numTruths": len(DOGS),
        "plot": plot.box,
        "thresholds": THRESHOLDS.tolist(),
    }
    return Live(canvas.figure(text), controls, data)


def eleven_heights() -> Figure:
    """Draw the eleven heights whose mean is VOC 2007's AP."""
    canvas, plot = start_plot()
    heights = np.maximum.accumulate(CURVE.precision[::-1])[::-1]
    for recall in np.linspace(0, 1, 11):
        reached = heights[CURVE.recall >= recall]
        height = reached[0] if len(reached) else 0.0
        canvas.line([plot.at(recall, 0), plot.at(recall, height)], BLUE, 'stroke-width="4"')
        x, y = plot.at(recall, height)
        canvas.add(f'<circle cx="{x:g}" cy="{y:g}" r="6" fill="{BLUE}"/>')
    area = eleven_points(CURVE.recall, CURVE.precision)
    return canvas.figure(
        "Eleven heights at the recalls 0, 0.1 … 1: 1, 1, 0.75, 0.714, 0.714 and six times 0. Their "
        f"mean is {area:.4f}."
    )


def difficult_rows(
    results: dict[Protocol, Report], marked: Truths, predictions: Predictions
) -> str:
    """Write the rows of a table: the mAP by each protocol, without and with a difficult dog."""
    names = {"voc07": "VOC 2007", "voc10": "VOC 2010", "coco": "COCO"}
    rows = []
    for protocol, result in results.items():
        other = compute_metrics(predictions, marked, ["dog"], protocol=protocol)
        numbers = [f"{one.mean_average_precision:.4f}" for one in (result, other)]
        rows.append(f"| {names[protocol.value]} | {' | '.join(numbers)} |")
    return "\n".join(rows)
