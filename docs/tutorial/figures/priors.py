"""Figures of lesson 10: which priors of a fine and of a coarse grid match blood cells."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from tutorial.drawing import Canvas, Figure, Live
from tutorial.figures.blood_cells import (
    COLOURS,
    LABELS,
    NAMES,
    PLATELET,
    RBC,
    WBC,
    photograph,
    truth,
)
from tutorial.figures.multibox import LETTERS, draw_grid

from singleshot.boxes.geometry import from_unit, pairwise_iou, to_corners
from singleshot.detectors.common.priors import prior_boxes
from singleshot.detectors.ssd.matching import match_by_place
from singleshot.detectors.ssd.priors import Priors, prior_levels, shapes_of_levels

__all__ = ["live_priors", "priors_matches", "priors_of_a_cell", "priors_truth"]

INPUT = (300, 400)  # height, width
SIDES = (8, 4)  # cells of the two grids
SIZES_UNIT = (0.18, 0.35, 0.6)  # of the grids, and the one that would follow
RATIOS = (2.0, 3.0)
THRESHOLD, TIE = 0.5, 1e-9
MIDDLE = {8: (3, 4), 4: (1, 2)}  # the cell whose priors are drawn
PANEL, GAP = 400, 20
YELLOW = "#ffd23f"
KINDS = ("square", "larger square", "wide, 2", "tall, ½", "very wide, 3", "very tall, ⅓")

shapes = shapes_of_levels(SIZES_UNIT, [RATIOS] * len(SIDES), INPUT)
levels = prior_levels([(side, side) for side in SIDES], shapes, INPUT)
priors = Priors(prior_boxes(levels, INPUT), tuple(levels), INPUT)
objects = truth(INPUT)
boxes: Float[Tensor, "p 4"] = from_unit(to_corners(priors.boxes_cxcywh_unit), INPUT)
iou: Float[Tensor, "p n"] = pairwise_iou(boxes, objects.boxes)
num_fine = len(levels[0])


def object_of_prior() -> dict[int, int]:
    """Match by the paper's rule: the object of each prior that has one."""
    matches = match_by_place([objects], priors)
    assert matches is not None
    # The matches hold boxes, and no two objects have the same.
    targets = from_unit(matches.boxes_unit, INPUT)
    same = (targets[:, None] - objects.boxes).abs().sum(dim=-1).argmin(dim=1)
    return dict(zip(matches.prior.tolist(), same.tolist(), strict=True))


matched = object_of_prior()
by_label = {label: (label == LABELS).nonzero()[:, 0] for label in (PLATELET, RBC, WBC)}
white_cell_best_fine = f"{iou[:num_fine, by_label[WBC]].max():.2f}"
platelet_best = f"{iou[:, by_label[PLATELET]].max():.2f}"
num_matches = {
    label: sum(int(LABELS[one]) == label for one in matched.values()) for label in by_label
}


def is_forced(prior: int) -> bool:
    """Test for a match by rule 1 alone."""
    return float(iou[prior, matched[prior]]) < THRESHOLD


def priors_truth() -> Figure:
    """Draw the photograph with its annotation."""
    canvas = Canvas(560, 420)
    canvas.photograph(photograph(), 0, 0, 560)
    scale = 560 / INPUT[1]
    for label, box in zip(LABELS.tolist(), (objects.boxes * scale).tolist(), strict=True):
        canvas.box(box, COLOURS[label], NAMES[label])
    return canvas.figure(
        "A photograph of a blood smear with a box and a name around each of one white cell, eight "
        "red cells and two platelets."
    )


def priors_of_a_cell() -> Figure:
    """Draw both grids, each with the priors of one cell."""
    canvas = Canvas(2 * PANEL + GAP, INPUT[0] + 36)
    for number, side in enumerate(SIDES):
        left = number * (PANEL + GAP)
        open_panel(canvas, left, side)
        row, column = MIDDLE[side]
        cell = (column * PANEL / side, row * INPUT[0] / side)
        end = (cell[0] + PANEL / side, cell[1] + INPUT[0] / side)
        canvas.rectangle((*cell, *end), fill=YELLOW, more='opacity="0.5"')
        for box in boxes_of_cell(number, row, column).tolist():
            canvas.rectangle(box, stroke="#000", more='stroke-width="4" opacity="0.4"')
            canvas.rectangle(box, stroke=YELLOW, more='stroke-width="2"')
        canvas.add("</svg>")
        words = f"{side} × {side} cells, size {SIZES_UNIT[number] * INPUT[0]:g} pixels"
        canvas.text(left + PANEL / 2, INPUT[0] + 26, words, anchor="middle", more=LETTERS)
    return canvas.figure(
        "The photograph twice: under a grid of 8 by 8 cells with the six priors of one cell, and "
        "under a grid of 4 by 4 cells with the six priors of one cell, which are larger."
    )


def priors_matches() -> Figure:
    """Draw on each grid the priors that match, in the colour of their object."""
    canvas = Canvas(2 * PANEL + GAP, INPUT[0] + 96)
    for number, side in enumerate(SIDES):
        left = number * (PANEL + GAP)
        open_panel(canvas, left, side)
        here = [one for one in matched if (one >= num_fine) == bool(number)]
        for prior in here:
            colour = COLOURS[int(LABELS[matched[prior]])]
            canvas.box(boxes[prior].tolist(), colour, dashed=is_forced(prior))
        canvas.add("</svg>")
        words = f"{side} × {side} cells: {len(here)} matches"
        canvas.text(left + PANEL / 2, INPUT[0] + 26, words, anchor="middle", more=LETTERS)
    draw_key(canvas, INPUT[0] + 60)
    counts = ", ".join(f"{number} of {NAMES[label]}s" for label, number in num_matches.items())
    return canvas.figure(
        "The priors that match an object. On 8 by 8 cells they lie around red cells and, dashed, "
        "over the platelets; on 4 by 4 cells two lie around the white cell. In all "
        f"{len(matched)} priors match: {counts}."
    )


def draw_key(canvas: Canvas, y: float) -> None:
    """Explain the colours below the panels."""
    x = 40.0
    for name, colour in zip(NAMES, COLOURS, strict=True):
        canvas.line([(x, y - 5), (x + 28, y - 5)], colour, 'stroke-width="3"')
        canvas.text(x + 36, y, name, more=LETTERS)
        x += 180
    x, y = 40.0, y + 28
    canvas.line([(x, y - 5), (x + 28, y - 5)], more='stroke-width="3" stroke-dasharray="9 5"')
    canvas.text(x + 36, y, "dashed: the best there is, IoU below 0.5 (rule 1)", more=LETTERS)


def open_panel(canvas: Canvas, left: float, side: int) -> None:
    """Begin a panel with the photograph under a grid; coordinates are pixels of the input."""
    canvas.photograph(photograph(), left, 0, PANEL)
    canvas.add(f'<svg x="{left:g}" y="0" width="{PANEL}" height="{INPUT[0]}">')
    draw_grid(canvas, (side, side), PANEL, INPUT[0])


def boxes_of_cell(level: int, row: int, column: int) -> Float[Tensor, "6 4"]:
    """Return the priors of a cell, in pixels of the input."""
    side = SIDES[level]
    first = level * num_fine + (row * side + column) * len(KINDS)
    return boxes[first : first + len(KINDS)]


def live_priors() -> Live:
    """Choose an object or move it, choose a grid and a cell: see IoU and matches."""
    canvas = Canvas(PANEL, INPUT[0])
    canvas.photograph(photograph(), 0, 0, PANEL)
    canvas.add('<g class="grid"></g><g class="matches"></g><g class="cell"></g>')
    x1, y1, x2, y2 = objects.boxes[int(by_label[WBC])].tolist()
    canvas.rectangle(
        (x1, y1, x2, y2),
        stroke="#fff",
        fill="#fff",
        more='fill-opacity="0.15" stroke-width="3" class="moves object" tabindex="0" role="button"'
        ' aria-label="The object: move it with the arrow keys, with Shift by 10 pixels"',
    )
    best = "; ".join(
        f"{NAMES[label]}: {float(iou[:num_fine, of_label].max()):.2f} on 8 × 8, "
        f"{float(iou[num_fine:, of_label].max()):.2f} on 4 × 4"
        for label, of_label in by_label.items()
    )
    start = canvas.figure(
        "An object that can be moved over the photograph, and the priors of the chosen grid. The "
        f"best IoU of each kind without moving anything: {best}."
    )
    named = [
        {"name": f"{NAMES[label]} {number + 1}", "box": box}
        for number, (label, box) in enumerate(
            zip(LABELS.tolist(), objects.boxes.tolist(), strict=True)
        )
    ]
    grids = [
        {"side": side, "shapes": [list(shape) for shape in of_level]}
        for side, of_level in zip(SIDES, shapes, strict=True)
    ]
    data = {
        "input": list(INPUT),
        "objects": named,
        "first": int(by_label[WBC]),
        "grids": grids,
        "kinds": KINDS,
        "threshold": THRESHOLD,
        "tie": TIE,
    }
    return Live(start, CONTROLS, data)


CONTROLS = (
    '<div class="controls">'
    '<label>Object <select name="object"></select></label>'
    '<label>Grid <select name="grid"></select></label>'
    '<label>Row of the cell <input type="range" name="row" min="1" value="3"></label>'
    '<label>Column of the cell <input type="range" name="column" min="1" value="4"></label>'
    "</div>"
    '<p class="summary" aria-live="polite"><span data-value="summary"></span></p>'
    '<table><caption>Priors of the chosen cell</caption><thead><tr><th scope="col">prior</th>'
    '<th scope="col">width × height</th><th scope="col">IoU</th><th scope="col">match</th></tr>'
    '</thead><tbody data-rows="cell"></tbody></table>'
)


def matches_of(box: Sequence[float]) -> list[list[int]]:
    """Find the priors that match one object alone, grid by grid: what the script must show."""
    exact = to_corners(torch.cat([level.boxes_cxcywh() for level in levels]))
    overlap = pairwise_iou(exact, torch.tensor([list(box)], dtype=torch.float64))[:, 0]
    reached = (overlap >= THRESHOLD).nonzero()[:, 0].tolist()
    # Of equals the first, though they may differ in their last digit.
    reached = reached or (overlap >= overlap.max() - TIE).nonzero()[0].tolist()
    return [
        [one for one in reached if one < num_fine],
        [one - num_fine for one in reached if one >= num_fine],
    ]
