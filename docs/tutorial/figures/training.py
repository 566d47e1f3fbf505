"""Figures of lesson 14: curves of recorded trainings (record.py), and augmented images."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from tutorial.drawing import BLUE, GREEN, ORANGE, RED, Canvas, Figure, Live, Plot
from tutorial.figures.blood_cells import COLOURS, sample

from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.augment.view import View
from singleshot.recipes.load import load_recipe

__all__ = ["augmentation", "curve_ap", "curve_rate", "curve_rates", "live_loss"]

FOLDER = Path(__file__).parents[1] / "recorded"
RECIPE = "ssdlite320-lite0"
STEPS_OF_EPOCH = 25.6  # 205 images, 8 in a step
RATES = {"0.0001": BLUE, "0.005": GREEN, "0.05": ORANGE, "1.0": RED}
MOST_LOSS = 30.0  # of the plot of rates
SEEDS = (20, 15, 21, 16, 12)
FILL = (124, 116, 104)  # ImageNet's mean: of the canvas beyond the image
SIDE, GAP = 240, 14
WIDE, LEFT, TOP, BOTTOM, RIGHT = 640, 56.0, 14.0, 250.0, 620.0


PARTS = ("classification", "localization")


class Row(NamedTuple):
    """Averages of five steps, or an evaluation."""

    step: int
    values: dict[str, float]  # by column, those that are there


def read_log(name: str) -> list[Row]:
    """Read a recorded log."""
    with (FOLDER / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return [
            Row(int(row["step"]), {key: float(value) for key, value in row.items() if value})
            for row in csv.DictReader(file)
        ]


log = read_log("cells")
evaluations = [row for row in log if "AP50" in row.values]
steps = [row for row in log if "localization" in row.values]
epochs = round(log[-1].step / STEPS_OF_EPOCH)
minutes = f"{log[-1].values['seconds'] / 60:.1f}"
first_ap50 = f"{evaluations[0].values['AP50']:.2f}"
best = max(evaluations, key=lambda row: row.values["AP"])
best_ap50, best_ap = f"{best.values['AP50']:.2f}", f"{best.values['AP']:.2f}"
last_loss = f"{sum(steps[-1].values[part] for part in PARTS):.1f}"


def axes(
    y_name: str,
    y_ticks: list[float],
    *,
    x_name: str = "epoch",
    x_ticks: tuple[float, ...] = (0, 10, 20, 30, 40),
) -> Plot:
    """Begin a plot of a training."""
    plot = Plot(
        Canvas(WIDE, 296),
        (LEFT, TOP, RIGHT, BOTTOM),
        (x_ticks[0], x_ticks[-1]),
        (y_ticks[0], y_ticks[-1]),
    )
    plot.draw_axes((x_name, y_name), (x_ticks, y_ticks))
    return plot


def draw_line(plot: Plot, rows: list[Row], column: str, colour: str, *, scale: float) -> None:
    """Draw a column of the log against epochs, or steps (scale 1)."""
    points = [plot.at(row.step / scale, row.values[column]) for row in rows]
    plot.canvas.line(points, colour, f'stroke-width="2" class="line-{column}"')


def draw_key(plot: Plot, entries: dict[str, str], x: float = 330, y: float = 34) -> None:
    """Explain the colours of lines, by name."""
    for number, (name, colour) in enumerate(entries.items()):
        row = y + 20 * number
        plot.canvas.line([(x, row - 5), (x + 26, row - 5)], colour, 'stroke-width="3"')
        plot.canvas.text(x + 34, row, name)


def curve_rate() -> Figure:
    """Draw the learning rate."""
    plot = axes("learning rate", [0, 0.001, 0.002, 0.003])
    draw_line(plot, steps, "learning_rate", BLUE, scale=STEPS_OF_EPOCH)
    return plot.canvas.figure(
        "The learning rate by epoch: a steep rise to 0.003 over the first four epochs, then half a "
        "cosine down to 0 at epoch 40."
    )


def live_loss() -> Live:
    """Draw both parts of the loss, averaged over as many steps as chosen."""
    plot = axes("loss", [0, 2, 4, 6, 8])
    draw_line(plot, steps, "classification", ORANGE, scale=STEPS_OF_EPOCH)
    draw_line(plot, steps, "localization", BLUE, scale=STEPS_OF_EPOCH)
    draw_key(plot, {"classification": ORANGE, "localization": BLUE})
    first, last = steps[0].values, steps[-1].values
    start = plot.canvas.figure(
        f"Both parts of the loss by epoch. Classification falls from {first['classification']:.1f} "
        f"to {last['classification']:.1f}, localization from {first['localization']:.1f} to "
        f"{last['localization']:.1f}; most of it in the first five epochs, with noise all along."
    )
    data = {
        "steps": steps[1].step - steps[0].step,
        "xs": [plot.at(row.step / STEPS_OF_EPOCH, 0)[0] for row in steps],
        "lines": {part: [row.values[part] for row in steps] for part in PARTS},
        "y": [plot.at(0, 0)[1], plot.at(0, 1)[1]],
    }
    return Live(start, CONTROLS, data)


CONTROLS = (
    '<div class="controls"><label>Average over <input type="range" name="width" min="1" max="40"'
    ' value="1"></label></div><p aria-live="polite"><span data-value="summary"></span></p>'
)


def curve_ap() -> Figure:
    """Draw AP on the validation images."""
    plot = axes("AP on validation images", [0, 0.2, 0.4, 0.6, 0.8, 1])
    for column, colour in (("AP50", GREEN), ("AP", ORANGE)):
        draw_line(plot, evaluations, column, colour, scale=STEPS_OF_EPOCH)
        for row in evaluations:
            x, y = plot.at(row.step / STEPS_OF_EPOCH, row.values[column])
            plot.canvas.add(f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="{colour}"/>')
    draw_key(plot, {"AP at IoU 0.5": GREEN, "AP, IoU 0.5 to 0.95": ORANGE}, y=170)
    values = ", ".join(f"{row.values['AP50']:.2f}" for row in evaluations)
    strict = ", ".join(f"{row.values['AP']:.2f}" for row in evaluations)
    return plot.canvas.figure(
        f"AP every five epochs. At IoU 0.5: {values}. Over IoU 0.5 to 0.95: {strict}."
    )


def curve_rates() -> Figure:
    """Draw the loss of short trainings with four learning rates."""
    plot = axes(
        "loss", [0, 5, 10, 15, 20, 25, 30], x_name="step", x_ticks=(0, 10, 20, 30, 40, 50, 60)
    )
    ends = []
    for name, colour in RATES.items():
        rows = read_log(f"rate-{name}")
        losses = [row.values["localization"] + row.values["classification"] for row in rows]
        points = [
            plot.at(row.step, min(loss, MOST_LOSS)) for row, loss in zip(rows, losses, strict=True)
        ]
        plot.canvas.line(points, colour, 'stroke-width="2"')
        ends.append(f"{float(name):g}: {losses[0]:.1f} to {losses[-1]:.1f} at step {rows[-1].step}")
    draw_key(plot, {f"learning rate {float(name):g}": one for name, one in RATES.items()}, x=400)
    return plot.canvas.figure(
        f"The loss over the first 60 steps by learning rate. {'; '.join(ends)}. The two highest "
        "rates end early."
    )


def augmentation() -> Figure:
    """Draw the photograph as it is, and as training sees it."""
    recipe = load_recipe(RECIPE)
    varied = Augmentation.of(recipe.augmentation, (SIDE, SIDE), FILL)
    canvas = Canvas(3 * SIDE + 2 * GAP, 2 * SIDE + GAP)
    whole = varied.render(View.of(sample()), torch.Generator())
    shown = [whole, *(varied(sample(), torch.Generator().manual_seed(seed)) for seed in SEEDS)]
    for number, one in enumerate(shown):
        left, top = number % 3 * (SIDE + GAP), number // 3 * (SIDE + GAP)
        canvas.photograph(Image.fromarray(one.image.permute(1, 2, 0).numpy()), left, top, SIDE)
        canvas.add(f'<svg x="{left:g}" y="{top:g}" width="{SIDE}" height="{SIDE}">')
        for label, box in zip(one.truth.labels.tolist(), one.truth.boxes.tolist(), strict=True):
            canvas.box(box, COLOURS[label])
        canvas.add("</svg>")
    return canvas.figure(
        "One photograph six times, with its boxes: as it is, then five times as training sees it: "
        "with other colours, cropped, small on a grey canvas, or flipped."
    )
