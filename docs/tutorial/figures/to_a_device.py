"""Figures and numbers of lesson 16: NMS on the photograph, and measurements of benchmarks/."""

from __future__ import annotations

from dataclasses import replace

from tutorial.drawing import Canvas, Figure, Live
from tutorial.figures.blood_cells import COLOURS, NAMES, SIZE, photograph
from tutorial.figures.matching_and_loss import outputs, priors_cxcywh
from tutorial.figures.multibox import LETTERS
from tutorial.figures.results import as_markdown, first_number, read_table

from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING
from singleshot.detectors.ssd.postprocess import postprocess
from singleshot.structures import Detections

__all__ = ["before_and_after_nms", "int8_table", "latency_table", "live_nms"]

SCORE_THRESHOLD, IOU_THRESHOLD = 0.15, 0.45
NO_NMS = 1.0  # no two boxes overlap by more
PANEL, GAP = 400, 20
LEAST_SCORE = 0.05  # of the interactive figure


def detections_with(iou_threshold: float, score_threshold: float = SCORE_THRESHOLD) -> Detections:
    """Decode the recorded outputs of the photograph."""
    options = replace(
        PAPER_POSTPROCESSING, score_threshold=score_threshold, iou_threshold=iou_threshold
    )
    (found,) = postprocess(*outputs, priors_cxcywh, [SIZE], options=options)
    return found


everything, kept = detections_with(NO_NMS), detections_with(IOU_THRESHOLD)
num_before, num_after = len(everything), len(kept)


def before_and_after_nms() -> Figure:
    """Draw the detections before and after NMS."""
    canvas = Canvas(2 * PANEL + GAP, PANEL * SIZE[0] / SIZE[1] + 36)
    height = PANEL * SIZE[0] / SIZE[1]
    for number_of_panel, (found, words) in enumerate(
        ((everything, f"{num_before} boxes"), (kept, f"{num_after} after NMS"))
    ):
        left = number_of_panel * (PANEL + GAP)
        canvas.photograph(photograph(), left, 0, PANEL)
        canvas.add(f'<svg x="{left}" y="0" width="{PANEL}" height="{height:g}">')
        scaled = (found.boxes * PANEL / SIZE[1]).tolist()
        for label, box in zip(found.labels.tolist(), scaled, strict=True):
            canvas.box(box, COLOURS[label])
        canvas.add("</svg>")
        canvas.text(left + PANEL / 2, height + 26, words, anchor="middle", more=LETTERS)
    return canvas.figure(
        f"The photograph twice: with {num_before} boxes, several around most cells, and with the "
        f"{num_after} that NMS keeps, about one around each cell."
    )


def live_nms() -> Live:
    """Choose both thresholds: which boxes NMS keeps."""
    canvas = Canvas(PANEL, PANEL * SIZE[0] / SIZE[1])
    canvas.photograph(photograph(), 0, 0, PANEL)
    canvas.add('<g class="dropped"></g><g class="kept"></g>')
    start = canvas.figure(
        "The boxes that NMS keeps, in the colour of their class, and those it drops, dashed. With "
        f"scores from {SCORE_THRESHOLD:g} and an IoU threshold of {IOU_THRESHOLD:g}, "
        f"{num_after} of {num_before} boxes are kept."
    )
    found = detections_with(NO_NMS, LEAST_SCORE)
    # Exact: a rounded box may fall on the other side of the threshold.
    boxes = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    data = {
        "boxes": [{"box": box, "score": score, "label": label} for box, score, label in boxes],
        "scale": PANEL / SIZE[1],
        "colours": COLOURS,
        "names": NAMES,
    }
    return Live(start, CONTROLS, data)


CONTROLS = (
    '<div class="controls">'
    f'<label>Score threshold <input type="range" name="score" min="{LEAST_SCORE}" max="0.95"'
    f' step="0.05" value="{SCORE_THRESHOLD}"></label>'
    '<label>IoU threshold of NMS <input type="range" name="iou" min="0.05" max="1" step="0.05"'
    f' value="{IOU_THRESHOLD}"></label></div>'
    '<p aria-live="polite"><span data-value="summary"></span></p>'
)

latency = read_table("latency.md", "SSDLite-MobileNetV2")
int8 = read_table("int8.md", "Accuracy in int8")


def latency_table() -> str:
    """Show the times of one thread by runtime, as Markdown."""
    rows = [row for row in latency if row["threads"] == "1"]
    names = {
        "runtime": "runtime",
        "precision": "numbers",
        "pre": "resize",
        "network": "network",
        "post": "after it",
        "to boxes": "all",
        "MB": "MB",
    }
    return as_markdown(rows, names)


def int8_table() -> str:
    """Show AP before and after int8 by runtime, as Markdown."""
    names = {
        "data": "detector and images",
        "format": "runtime",
        "AP, float32 to int8": "AP, float32 to int8",
        "drop": "drop, points",
    }
    rows = [dict(row) for row in int8]
    for row, before in zip(rows[1:], int8, strict=False):
        if row["data"] == before["data"]:
            row["data"] = ""
    return as_markdown(rows, names)


def total_ms(runtime: str, precision: str) -> float:
    """Look up the time of an image with one thread."""
    row = next(
        row
        for row in latency
        if row["runtime"].startswith(runtime)
        and row["precision"] == precision
        and row["threads"] == "1"
    )
    return first_number(row["to boxes"])


speed_up = f"{total_ms('PyTorch', 'float32') / total_ms('OpenVINO', 'int8'):.0f}"
