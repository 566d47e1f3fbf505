"""Figures of lesson 15: the tables of the slides as printed, and published speed and accuracy."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence

from tutorial.drawing import Canvas, Figure, Live, Plot
from tutorial.figures.results import first_number, read_table

from singleshot.comparison.published import (
    PublishedFigure,
    PublishedTradeOff,
    TutorialCell,
    read_published_figures,
    read_published_trade_offs,
    read_tutorial,
)
from singleshot.metrics.pareto import pareto_front_by_cost
from singleshot.report.cost_plots import OUTLINES

__all__ = ["accuracy_and_speed", "framework_and_extractor", "live_budget", "printed"]

SYSTEMS, TEST_SETS, ON_VOC, ON_COCO = range(4)  # tables of the slides, in their order
FEW = 3
# By feature extractor; legible on both backgrounds.
HUES = ("#3b8edb", "#2e9e5b", "#e08214", "#e0524d", "#9467bd", "#8c6d4f", "#d062a5")
WIDE, HIGH = 640, 420
PLOT = (60.0, 16.0, 620.0, 370.0)
MS_TICKS = (20, 50, 100, 200, 500, 1000)

tutorial = read_tutorial()
trade_offs = [one for one in read_published_trade_offs() if one.milliseconds]
_costs = [one.milliseconds or 0.0 for one in trade_offs]
_front = pareto_front_by_cost(_costs, [one.average_precision for one in trade_offs])


def printed(number: int) -> str:
    """Write a table of the slides as Markdown, with its errata below."""
    table = tutorial.tables[number]
    notes: list[str] = [*table.notes]
    for cell in [*table.printed, *(cell for row in table.rows for cell in row.cells)]:
        notes += [note for note in cell.notes if note not in notes]

    def shown(cell: TutorialCell) -> str:
        marks = ",".join(str(1 + notes.index(note)) for note in cell.notes)
        return f"{cell.cell or '–'}{f'<sup>{marks}</sup>' if marks else ''}"

    mark = "".join(f"<sup>{1 + notes.index(note)}</sup>" for note in table.notes)
    cells = [
        [f"system{mark}", *map(shown, table.printed)],
        *([row.name, *map(shown, row.cells)] for row in table.rows),
    ]
    if len(table.rows) < FEW < len(table.printed):  # a wide table would not fit on a phone
        cells = [list(column) for column in zip(*cells, strict=True)]
    head, *rows = cells
    lines = [f"| {' | '.join(line)} |" for line in (head, *rows)]
    lines.insert(1, "|---|" + "---:|" * (len(head) - 1))
    below = [f"{1 + place}. {tutorial.errata[note]}" for place, note in enumerate(notes)]
    heading = ["", "Where the slides differ from their sources:", ""] if below else []
    return "\n".join([*lines, *heading, *below])


def pairs_on_voc() -> list[tuple[str, float, float]]:
    """Find systems with accuracy on VOC2007 and speed on a Titan X: name, FPS and mAP."""
    figures = read_published_figures()

    def value(
        recipe: str, name: Callable[[str], bool], of: Callable[[PublishedFigure], bool]
    ) -> float | None:
        found = [one for one in figures if one.recipe == recipe and of(one) and name(one.system)]
        return found[0].value if found else None

    pairs = []
    for recipe, short, place in (
        ("faster-rcnn-vgg16", "Faster R-CNN", ""),
        ("rfcn-resnet101", "R-FCN", ""),
        ("yolo-v1", "YOLO", ""),
        ("yolo-v2", "YOLOv2 at 416", "416"),
        ("yolo-v2", "YOLOv2 at 544", "544"),
        ("ssd300-vgg16", "SSD300", ""),
        ("ssd512-vgg16", "SSD512", ""),
    ):

        def fits(system: str, place: str = place) -> bool:
            return place in system and "without" not in system

        speed = value(recipe, fits, is_titan_x)
        accuracy = value(recipe, fits, is_voc07)
        if speed is not None and accuracy is not None:
            pairs.append((short, speed, accuracy))
    return pairs


def is_titan_x(one: PublishedFigure) -> bool:
    """Test for a speed on one Titan X, image by image."""
    return (
        one.metric == "FPS"
        and one.hardware.startswith("Titan X")
        and "batch 8" not in (one.hardware)
    )


def is_voc07(one: PublishedFigure) -> bool:
    """Test for an accuracy on VOC2007 after training on 07+12."""
    return one.data == "VOC2007 test" and one.trained_on == "VOC 07+12"


def accuracy_and_speed() -> Figure:
    """Plot accuracy on VOC2007 against images per second."""
    pairs = pairs_on_voc()
    canvas = Canvas(WIDE, HIGH)
    plot = Plot(canvas, PLOT, (0, 80), (60, 82))
    plot.draw_axes(
        ("images per second, Titan X", "mAP on VOC2007, %"),
        ((0, 20, 40, 60, 80), (60, 65, 70, 75, 80)),
    )
    for number, (name, speed, accuracy) in enumerate(pairs):
        x, y = plot.at(speed, accuracy)
        single = name.startswith(("SSD", "YOLO"))
        mark(canvas, (x, y), 0 if single else 1, HUES[0 if single else 3])
        # SSD300 and YOLOv2 lie side by side.
        beside = name == "YOLOv2 at 544"
        down = 5 if beside else 24 if number == 0 else -13
        canvas.text(x - 14 * beside, y + down, name, anchor="end" if beside else "middle")
    canvas.text(70, 356, "round: one stage; square: with region proposals", more='class="small"')
    listed = "; ".join(f"{name} {accuracy:g} at {speed:g}" for name, speed, accuracy in pairs)
    return canvas.figure(f"mAP on VOC2007 in per cent, and images per second: {listed}.")


def mark(
    canvas: Canvas, at: tuple[float, float], outline: int, colour: str, more: str = ""
) -> None:
    """Draw a mark of a plot."""
    canvas.add(
        f'<path d="{OUTLINES[outline]}" transform="translate({at[0]:g} {at[1]:g})"'
        f' fill="{colour}" stroke="currentColor" {more}/>'
    )


def groups(names: Iterable[str]) -> list[str]:
    """List names in the order in which they come first."""
    return list(dict.fromkeys(names))


FRAMEWORKS = groups(one.framework for one in trade_offs)
EXTRACTORS = groups(one.extractor for one in trade_offs)


def _trade_off_plot(canvas: Canvas) -> Plot:
    """Draw the axes of accuracy against milliseconds."""
    plot = Plot(canvas, PLOT, (math.log10(20), math.log10(1000)), (15, 40))
    for value in MS_TICKS:
        x, _ = plot.at(math.log10(value), 15)
        canvas.line([(x, PLOT[1]), (x, PLOT[3])], more='class="soft"')
        canvas.text(x, PLOT[3] + 16, f"{value:,}", anchor="middle", more='class="small"')
    plot.draw_axes(
        ("milliseconds per image, Titan X", "COCO AP, %"), ((), (15, 20, 25, 30, 35, 40))
    )
    return plot


def framework_and_extractor() -> Figure:
    """Plot accuracy against time: the form is the framework, the colour the extractor."""
    rows = len(EXTRACTORS) + len(FRAMEWORKS)
    canvas = Canvas(WIDE, HIGH + 22 * ((rows + 1) // 2) + 8)
    plot = _trade_off_plot(canvas)
    for one in trade_offs:
        at = plot.at(math.log10(one.milliseconds or 1.0), one.average_precision)
        hue = HUES[EXTRACTORS.index(one.extractor) % len(HUES)]
        mark(canvas, at, FRAMEWORKS.index(one.framework), hue)
    entries = [(name, FRAMEWORKS.index(name), "none") for name in FRAMEWORKS]
    entries += [(name, 0, HUES[EXTRACTORS.index(name) % len(HUES)]) for name in EXTRACTORS]
    for number, (name, outline, colour) in enumerate(entries):
        x, y = 80 + 280 * (number % 2), HIGH + 8 + 22 * (number // 2)
        mark(canvas, (x, y), outline, colour)
        canvas.text(x + 18, y + 5, name)
    return canvas.figure(f"COCO AP and milliseconds: {listing(trade_offs)}.")


def listing(rows: Sequence[PublishedTradeOff]) -> str:
    """List detectors with their numbers in words."""
    return "; ".join(
        f"{one.framework} on {one.extractor}: {one.average_precision:g} % at "
        f"{one.milliseconds:g} ms"
        for one in rows
    )


def best_within(milliseconds: float) -> PublishedTradeOff | None:
    """Find the most accurate detector within a time: what the script must show."""
    within = [one for one in trade_offs if (one.milliseconds or 0.0) <= milliseconds]
    return max(within, key=lambda one: one.average_precision, default=None)


def live_budget() -> Live:
    """Choose a time for an image: the most accurate detector within it."""
    canvas = Canvas(WIDE, HIGH)
    plot = _trade_off_plot(canvas)
    canvas.add(
        '<rect class="within" x="0" y="0" width="0" height="0" fill="#2e9e5b" opacity="0.18"/>'
    )
    data = []
    for one, on_front in zip(trade_offs, _front, strict=True):
        at = plot.at(math.log10(one.milliseconds or 1.0), one.average_precision)
        mark(canvas, at, FRAMEWORKS.index(one.framework), HUES[0], 'class="detector"')
        data.append(
            {
                "name": f"{one.framework} on {one.extractor}",
                "ms": one.milliseconds,
                "ap": one.average_precision,
                "front": on_front,
            }
        )
    best = [one for one, on_front in zip(trade_offs, _front, strict=True) if on_front]
    start = canvas.figure(
        "Accuracy against time of published detectors. None of these has another that is faster "
        f"and more accurate: {listing(best)}."
    )
    scale = {"plot": PLOT, "range": [math.log10(20), math.log10(1000)]}
    return Live(start, CONTROLS, {"detectors": data, **scale})


CONTROLS = (
    '<div class="controls"><label>Milliseconds for an image <input type="range"'
    ' name="milliseconds" min="20" max="1000" step="1" value="100"></label></div>'
    '<p aria-live="polite"><span data-value="summary"></span></p>'
)


def published(recipe: str, metric: str, data: str = "", system: str = "") -> str:
    """Quote a published number."""
    pattern = re.compile(metric)
    return next(
        f"{one.value:g}"
        for one in read_published_figures()
        if one.recipe == recipe
        and pattern.search(one.metric)
        and data in one.data
        and system in one.system
    )


def bccd_ap(label: str) -> str:
    """Look up the AP of a class of blood cells."""
    return f"{first_number(read_table('bccd.md', 'Blood cells')[0][label]):.3f}"
