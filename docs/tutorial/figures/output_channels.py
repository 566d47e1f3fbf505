"""Figures of lesson 12: the channels of SSD300's heads, and the prior that each belongs to."""

from __future__ import annotations

from tutorial.drawing import Canvas, Live
from tutorial.figures.blood_cells import SIZE, photograph
from tutorial.figures.the_8732_boxes import NAMES, NUM_CLASSES, RECIPES, shapes_of, summary_of

from singleshot.importers.class_names import VOC_NAMES

__all__ = ["channels_table", "live_channels"]

WIDTH = 400
KINDS = ("square", "larger square", "wide, 2", "tall, ½", "very wide, 3", "very tall, ⅓")
NUMBERS = ("centre x", "centre y", "width", "height")


def channels_table() -> str:
    """List the output channels of each level, as Markdown."""
    lines = [
        "| level | grid | priors in a cell | box channels | class channels |",
        "|---|---|---|---|---|",
    ]
    for name, level in zip(NAMES, summary_of(RECIPES[0]).levels, strict=True):
        side, priors = level.grid[0], level.priors_per_cell
        lines.append(
            f"| {name} | {side} × {side} | {priors} | {priors} · 4 = **{level.box_channels}** | "
            f"{priors} · {NUM_CLASSES + 1} = **{level.class_channels}** |"
        )
    return "\n".join(lines)


def live_channels() -> Live:
    """Choose a level, a head and a channel: the prior and the number that it holds."""
    height = WIDTH * SIZE[0] / SIZE[1]
    canvas = Canvas(WIDTH, height)
    canvas.photograph(photograph(), 0, 0, WIDTH)
    canvas.add('<g class="grid"></g><g class="priors"></g>')
    start = canvas.figure(
        "The priors of one cell over the photograph; the one that the chosen channel belongs to is "
        "yellow. Class channel 50 of conv4_3: prior 2 (wide), class 8 (cat). Box channel 5: prior "
        "1, centre y."
    )
    levels = [
        {
            "name": name,
            "side": level.grid[0],
            "shapes": [[width / 300, tall / 300] for width, tall in shapes],
        }
        for name, level, shapes in zip(
            NAMES, summary_of(RECIPES[0]).levels, shapes_of(RECIPES[0]), strict=True
        )
    ]
    data = {
        "size": [height, WIDTH],
        "levels": levels,
        "classes": ["background", *VOC_NAMES],
        "numbers": NUMBERS,
        "kinds": KINDS,
    }
    return Live(start, CONTROLS, data)


CONTROLS = (
    '<div class="controls"><label>Level <select name="level"></select></label>'
    '<label>Head <select name="head"><option value="classes">classes</option>'
    '<option value="boxes">boxes</option></select></label>'
    '<label>Channel <input type="range" name="channel" min="0" value="50"></label></div>'
    '<div class="strip" role="group" aria-label="Channels: choose one"></div>'
    '<p aria-live="polite"><span data-value="meaning"></span></p>'
)
