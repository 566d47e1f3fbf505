"""Figures of lesson 9: the grids of MultiBox as the slides list them."""

from __future__ import annotations

from tutorial.drawing import Canvas, Figure
from tutorial.figures.blood_cells import SIZE, photograph

from singleshot.detectors.common.priors import PriorLevel
from singleshot.detectors.multibox.heads import cell_shapes, grid_levels
from singleshot.detectors.multibox.settings import MultiBoxSettings

__all__ = ["multibox_grids", "paper_priors", "slide_priors"]

PAPER, SLIDES = (8, 6, 4, 3, 2, 1), (8, 6, 4, 1)  # cells a side
SIZES_UNIT: tuple[float, ...] = MultiBoxSettings.model_fields["sizes_unit"].default
WIDTH, GAP = 340, 20  # of a panel
LETTERS = 'style="font-size:20px"'  # of captions: panels are small on a phone
# Square, wide and tall priors.
HUES = ("#ffd23f", "#5ec8ff", "#ff8fa3")


def levels_of(grids: tuple[int, ...]) -> list[PriorLevel]:
    """Lay out the priors of these grids of the paper."""
    levels = grid_levels([(side, side) for side in PAPER], SIZES_UNIT, SIZE)
    return [level for level, side in zip(levels, PAPER, strict=True) if side in grids]


slide_priors = f"{sum(map(len, levels_of(SLIDES))):,}"
paper_priors = f"{sum(map(len, levels_of(PAPER))):,}"
per_cell = len(cell_shapes(*SIZES_UNIT[:2]))


def multibox_grids() -> Figure:
    """Draw four grids, each with the priors of a cell in the middle."""
    height = WIDTH * SIZE[0] / SIZE[1]
    canvas = Canvas(2 * WIDTH + GAP, 2 * (height + 52))
    for number, level in enumerate(levels_of(SLIDES)):
        left = number % 2 * (WIDTH + GAP)
        draw_level(canvas, level, left, number // 2 * (height + 52))
    names = ", ".join(f"{side} by {side}" for side in SLIDES)
    return canvas.figure(
        f"Four times the photograph of blood cells, under grids of {names} cells; around the "
        f"centre of one cell of each grid are its {per_cell} priors: squares, wide and tall "
        "boxes. The finer the grid, the smaller they are."
    )


def draw_level(canvas: Canvas, level: PriorLevel, left: float, top: float) -> None:
    """Draw one panel."""
    scale = WIDTH / SIZE[1]
    height = canvas.photograph(photograph(), left, top, WIDTH)
    canvas.add(f'<svg x="{left:g}" y="{top:g}" width="{WIDTH}" height="{height:g}">')
    draw_grid(canvas, level.grid, WIDTH, height)
    rows, columns = level.grid
    first = (rows // 2 * columns + columns // 2) * level.num_priors_per_cell
    boxes = level.boxes_cxcywh()[first : first + level.num_priors_per_cell] * scale
    for centre_x, centre_y, width, tall in boxes.tolist():
        box = (
            max(centre_x - width / 2, 2),
            max(centre_y - tall / 2, 2),
            min(centre_x + width / 2, WIDTH - 2),
            min(centre_y + tall / 2, height - 2),
        )
        ratio = width / tall * SIZE[0] / SIZE[1]
        hue = HUES[0 if 0.9 < ratio < 1.1 else 1 if ratio > 1 else 2]
        canvas.rectangle(box, stroke="#000", more='stroke-width="4" opacity="0.45"')
        canvas.rectangle(box, stroke=hue, more='stroke-width="2"')
    canvas.add("</svg>")
    number = f"{level.num_priors_per_cell} in each: {len(level):,}"
    words = f"{rows} × {columns} cells, {number}" if rows > 1 else "the whole image: 1"
    canvas.text(left + WIDTH / 2, top + height + 26, words, anchor="middle", more=LETTERS)


def draw_grid(canvas: Canvas, grid: tuple[int, int], width: float, height: float) -> None:
    """Draw white lines between the cells of a panel."""
    rows, columns = grid
    more = 'stroke-width="1" opacity="0.75"'
    for column in range(1, columns):
        x = column * width / columns
        canvas.line([(x, 0), (x, height)], "#fff", more)
    for row in range(1, rows):
        y = row * height / rows
        canvas.line([(0, y), (width, y)], "#fff", more)
