"""Figures of the lesson on intersection over union: a dog, its box, and a box that moves."""

from __future__ import annotations

import torch
from tutorial.drawing import BLUE, GREEN, Canvas, Figure, Live
from tutorial.photographs import open_photograph

from singleshot.boxes.geometry import pairwise_iou

__all__ = [
    "FOUND",
    "TRUTH",
    "live_excellent",
    "live_good",
    "live_poor",
    "shared_and_covered",
]

TRUTH = (100, 60, 300, 260)
FOUND = {
    "poor": (140, 120, 345, 305),
    "good": (105, 81, 330, 270),
    "excellent": (105, 65, 297, 258),
}
SIDE = 290  # of the part of the photograph that is shown, which begins at LEFT, TOP
LEFT, TOP = 80, 40
YELLOW = "#f5c542"
CROP = (43, 344, 327, 628)  # of the photograph: the third dog


def background(canvas: Canvas) -> None:
    """Draw the dog."""
    canvas.photograph(open_photograph("dogs").crop(CROP), LEFT, TOP, SIDE)


def start_canvas() -> Canvas:
    """Begin a drawing in the coordinates of the boxes."""
    canvas = Canvas(SIDE, SIDE, (LEFT, TOP))
    background(canvas)
    return canvas


def shared_and_covered() -> Figure:
    """Draw what two boxes share and what they cover together, side by side."""
    canvas = Canvas(2 * SIDE + 20, SIDE + 30)
    x1, y1, x2, y2 = TRUTH
    fx1, fy1, fx2, fy2 = FOUND["poor"]
    shared = (max(x1, fx1), max(y1, fy1), min(x2, fx2), min(y2, fy2))
    for column, (title, parts) in enumerate(
        {"overlap": [shared], "union": [TRUTH, FOUND["poor"]]}.items()
    ):
        canvas.add(f'<g transform="translate({column * (SIDE + 20) - LEFT} {-TOP})">')
        background(canvas)
        canvas.add('<g opacity="0.65">')
        for part in parts:
            canvas.rectangle(part, fill=YELLOW)
        canvas.add("</g>")
        canvas.box(TRUTH, GREEN)
        canvas.box(FOUND["poor"], BLUE, dashed=True)
        canvas.text(LEFT + SIDE / 2, TOP + SIDE + 22, title, anchor="middle")
        canvas.add("</g>")
    return canvas.figure(
        "A dog with the annotated box and a detected one. Left, the part that both boxes share is "
        "filled; right, all that they cover together."
    )


def live_poor() -> Live:
    """Draw the box that fits badly."""
    return of_box("poor")


def live_good() -> Live:
    """Draw the box that fits well."""
    return of_box("good")


def live_excellent() -> Live:
    """Draw the box that fits nearly exactly."""
    return of_box("excellent")


def of_box(name: str) -> Live:
    """Draw a dog with its truth and a box that can be moved and resized."""
    found = FOUND[name]
    iou = float(pairwise_iou(torch.tensor([TRUTH]).float(), torch.tensor([found]).float()))
    canvas = start_canvas()
    canvas.box(TRUTH, GREEN)
    x1, y1, x2, y2 = found
    size = f'width="{x2 - x1}" height="{y2 - y1}"'
    canvas.add(
        f'<rect class="moves" data-part="box" x="{x1}" y="{y1}" {size} tabindex="0" role="button"'
        f' aria-label="Detected box, starts {name}: drag it, or move it with the arrow keys"'
        f' fill="{BLUE}" fill-opacity="0.15" stroke="{BLUE}" stroke-width="3"'
        ' stroke-dasharray="9 5"/>'
        f'<rect class="moves" data-part="corner" x="{x2 - 9}" y="{y2 - 9}" width="18" height="18"'
        ' tabindex="0" role="button" aria-label="Its lower right corner: drag it, or move it with'
        f' the arrow keys" fill="#fff" stroke="{BLUE}" stroke-width="3"/>'
    )
    controls = (
        f'<p class="reading" aria-live="polite">IoU: <b data-value="iou">{iou:.4f}</b></p>'
        '<p class="controls"><button type="button">Back to the start</button></p>'
    )
    text = (
        f"The dog's box {TRUTH} and a detected box that starts at {found}: IoU {iou:.4f}, {name}."
    )
    data = {"truth": TRUTH, "found": found, "within": (LEFT, TOP, LEFT + SIDE, TOP + SIDE)}
    return Live(canvas.figure(text), controls, data, script="iou")
