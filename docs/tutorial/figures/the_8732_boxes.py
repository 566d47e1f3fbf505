"""Figures of lesson 11: the six levels of SSD300, their grids, sizes and numbers of priors."""

from __future__ import annotations

from functools import cache

from tutorial.drawing import BLUE, Canvas, Figure, Live
from tutorial.figures.blood_cells import SIZE, photograph
from tutorial.figures.multibox import draw_grid

import singleshot
from singleshot.comparison.published import read_published_figures
from singleshot.detectors.ssd.priors import shapes_of_levels
from singleshot.detectors.ssd.settings import SsdSettings
from singleshot.models.summary import ModelSummary
from singleshot.recipes.load import load_recipe

__all__ = [
    "live_counts",
    "pyramid",
    "six_levels",
    "sizes_table",
    "table_8732",
    "voc07",
]

RECIPES = ("ssd300-vgg16", "ssd512-vgg16")
NAMES = ("conv4_3", "fc7", "conv8_2", "conv9_2", "conv10_2", "conv11_2")
NUM_CLASSES = 20
INPUTS = {"ssd300-vgg16": (300, 320, 360, 400, 440, 480), "ssd512-vgg16": (512, 544, 576, 640)}
PANEL, GAP = 260, 15
YELLOW = "#ffd23f"


@cache
def summary_of(recipe: str) -> ModelSummary:
    """Build a recipe's network for VOC's classes."""
    return singleshot.show_model(recipe, NUM_CLASSES)


def shapes_of(recipe: str) -> list[tuple[tuple[float, float], ...]]:
    """Compute (width, height) of the priors of each level, in pixels of its input."""
    settings = load_recipe(recipe).model
    assert isinstance(settings, SsdSettings)
    priors = settings.priors
    return shapes_of_levels(
        priors.sizes_unit,
        priors.aspect_ratios,
        settings.input,
        whole_pixels=priors.whole_pixels,
    )


def voc07(recipe: str) -> str:
    """Quote the published accuracy on VOC2007."""
    return next(
        f"{one.value:g}"
        for one in read_published_figures()
        if one.recipe == recipe and one.metric.startswith("mAP") and one.data == "VOC2007 test"
    )


def table_8732() -> str:
    """Count the priors of SSD300 level by level, as Markdown."""
    summary = summary_of(RECIPES[0])
    lines = [
        "| level | grid | stride in pixels | priors in a cell | count | |",
        "|---|---|---|---|---|---:|",
    ]
    for name, level in zip(NAMES, summary.levels, strict=True):
        side, of_cell = level.grid[0], level.priors_per_cell
        count = side * side * of_cell
        lines.append(
            f"| {name} | {side} × {side} | {level.stride[0]:g} | {of_cell} | "
            f"{side}² · {of_cell} | {count:,} |"
        )
    return "\n".join([*lines, f"| | | | | all | **{summary.num_boxes:,}** |"])


def sizes_table() -> str:
    """List the sides of the square priors of SSD300's levels, as Markdown."""
    lines = [
        "| level | small square | larger square | as a part of the input |",
        "|---|---:|---:|---:|",
    ]
    for name, shapes in zip(NAMES, shapes_of(RECIPES[0]), strict=True):
        small, larger = shapes[0][0], shapes[1][0]
        lines.append(f"| {name} | {small:g} pixels | {larger:.0f} pixels | {small / 3:.0f} % |")
    return "\n".join(lines)


def pyramid() -> Figure:
    """Draw the feature maps from the input to the last level, to scale."""
    summary = summary_of(RECIPES[0])
    canvas = Canvas(460, 0)
    canvas.add(
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8"'
        ' markerHeight="8" orient="auto"><path d="M0,0L8,4L0,8z" fill="currentColor"/></marker>'
        "</defs>"
    )
    middle, top = 80.0, 4.0
    canvas.photograph(photograph().resize((300, 300)), middle - 70, top, 140)
    canvas.text(180, top + 66, "input")
    canvas.text(180, top + 86, "300 × 300 pixels, 3 channels")
    top += 140
    for name, level in zip(NAMES, summary.levels, strict=True):
        canvas.line([(middle, top + 4), (middle, top + 24)], more='marker-end="url(#arrow)"')
        top += 28
        rows = level.grid[0]
        side = 2.6 * rows + 10  # the smallest one must still be seen
        box = (middle - side / 2, top, middle + side / 2, top + side)
        canvas.rectangle(box, fill=BLUE, more='opacity="0.35"')
        canvas.rectangle(box, stroke=BLUE)
        words = f"{name}: {rows} × {rows}, {level.channels:,} channels"
        canvas.text(180, top + side / 2 + 5, words)
        top += side
    canvas.height = top + 6
    sides = ", ".join(f"{level.grid[0]} by {level.grid[0]}" for level in summary.levels)
    return canvas.figure(
        f"The input of 300 by 300 pixels and, below it, the six feature maps that follow from it, "
        f"each about half as wide as the one before: {sides} positions."
    )


def six_levels() -> Figure:
    """Draw the cells of each level, and the priors of one of them, on the photograph."""
    summary, shapes = summary_of(RECIPES[0]), shapes_of(RECIPES[0])
    height = PANEL * SIZE[0] / SIZE[1]
    canvas = Canvas(2 * PANEL + GAP, 3 * (height + 40))
    for number, level in enumerate(summary.levels):
        left, top = number % 2 * (PANEL + GAP), number // 2 * (height + 40)
        canvas.photograph(photograph(), left, top, PANEL)
        canvas.add(f'<svg x="{left:g}" y="{top:g}" width="{PANEL}" height="{height:g}">')
        draw_grid(canvas, level.grid, PANEL, height)
        draw_cell(canvas, level.grid[0], shapes[number], height)
        canvas.add("</svg>")
        words = f"{NAMES[number]}: {level.grid[0]} × {level.grid[0]}"
        canvas.text(left + PANEL / 2, top + height + 20, words, anchor="middle")
    return canvas.figure(
        "The photograph six times, under the grid of each level with the priors of its middle "
        "cell: from small boxes on 38 by 38 cells to boxes as large as the image on a single one."
    )


def draw_cell(
    canvas: Canvas, side: int, shapes: tuple[tuple[float, float], ...], height: float
) -> None:
    """Draw the priors of the middle cell; the photograph is resized to 300 × 300 pixels."""
    x, y = ((side // 2 + 0.5) / side * length for length in (PANEL, height))
    for width, tall in shapes:
        across, down = width / 300 * PANEL / 2, tall / 300 * height / 2
        box = (
            max(x - across, 1),
            max(y - down, 1),
            min(x + across, PANEL - 1),
            min(y + down, height - 1),
        )
        canvas.rectangle(box, stroke="#000", more='stroke-width="3.5" opacity="0.5"')
        canvas.rectangle(box, stroke=YELLOW, more='stroke-width="1.5"')


def live_counts() -> Live:
    """Choose the input and the levels: how many priors there are."""
    summary = summary_of(RECIPES[0])
    rows = "; ".join(
        f"{level.grid[0]} × {level.grid[0]} cells with {level.priors_per_cell} each"
        for level in summary.levels
    )
    canvas = Canvas(430, 190)
    canvas.add('<g class="bars"></g>')
    start = canvas.figure(
        f"Bars of the number of priors of each level. SSD300 at 300 pixels: {rows}; together "
        f"{summary.num_boxes:,}."
    )
    recipes = [
        {
            "name": name,
            "inputs": INPUTS[name],
            "priors": [level.priors_per_cell for level in summary_of(name).levels],
            "sizes": [shapes[0][0] / summary_of(name).input[0] for shapes in shapes_of(name)],
        }
        for name in RECIPES
    ]
    return Live(start, CONTROLS, {"recipes": recipes})


CONTROLS = (
    '<div class="controls"><label>Input <select name="input"></select></label></div>'
    '<fieldset class="levels"><legend>Levels</legend></fieldset>'
    '<p aria-live="polite"><strong data-value="total"></strong> priors. '
    '<span data-value="smallest"></span></p>'
)
