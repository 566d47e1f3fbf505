"""Figures of the lesson on region proposals: regions of an image, and what detectors compute."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from tutorial.costs import read_costs
from tutorial.drawing import BLUE, GREEN, ORANGE, Canvas, Figure, Live
from tutorial.photographs import DOGS, open_photograph

from singleshot.boxes.geometry import pairwise_iou
from singleshot.comparison.published import read_published_figures
from singleshot.detectors.rcnn.selective_search import SelectiveSearch

__all__ = ["cost_rows", "live_regions", "num_regions", "proposals", "stages", "worst_best_iou"]

NAMES = {
    "rcnn": "R-CNN",
    "fast-rcnn": "Fast R-CNN",
    "faster-rcnn-vgg16": "Faster R-CNN",
    "rfcn-resnet101": "R-FCN",
    "ssd300-vgg16": "SSD300",
}
VOC07 = "VOC2007 test"
BILLION = 1e9


@cache
def search() -> torch.Tensor:
    """Find regions of the dogs' image that look like objects, of any class."""
    pixels = torch.from_numpy(np.array(open_photograph("dogs"))).permute(2, 0, 1)
    (regions,) = SelectiveSearch()(pixels[None])
    return regions


def best_regions() -> tuple[torch.Tensor, torch.Tensor]:
    """Select for each dog the region that fits best, and its IoU."""
    overlaps, chosen = pairwise_iou(torch.tensor(DOGS).float(), search()).max(dim=1)
    return search()[chosen], overlaps


def num_regions() -> int:
    """Count the regions."""
    return len(search())


def worst_best_iou() -> float:
    """Return the IoU of the dog for which no region fits as well as for the others."""
    return float(best_regions()[1].min())


def proposals() -> Figure:
    """Draw all regions, and beside them those that fit the dogs best."""
    photograph, gap, side = open_photograph("dogs"), 10, 235
    scale = side / photograph.width
    height = scale * photograph.height
    canvas = Canvas(2 * side + gap, height + 26)
    canvas.photograph(photograph, 0, 0, side)
    sides = " ".join(
        f"M{x1:.0f} {y1:.0f}H{x2:.0f}V{y2:.0f}H{x1:.0f}z"
        for x1, y1, x2, y2 in (scale * search()).tolist()
    )
    canvas.add(f'<path d="{sides}" fill="none" stroke="{BLUE}" stroke-width="0.4"/>')
    canvas.text(side / 2, height + 18, f"{num_regions():,} regions", anchor="middle")
    left = side + gap
    canvas.photograph(photograph, left, 0, side)
    boxes, overlaps = best_regions()
    for truth, region, iou in zip(DOGS, boxes.tolist(), overlaps.tolist(), strict=True):
        for box, colour in ((truth, GREEN), (region, BLUE)):
            x1, y1, x2, y2 = (scale * length for length in box)
            place = (left + x1, y1, left + x2, y2)
            label = f"IoU {iou:.2f}" if colour == BLUE else ""
            canvas.box(place, colour, label, dashed=colour == BLUE)
    canvas.text(left + side / 2, height + 18, "the best for each dog", anchor="middle")
    return canvas.figure(
        f"Left, the {num_regions():,} regions that selective search finds in the image of four "
        "dogs. Right, the one that fits each dog best, with IoUs of "
        f"{', '.join(f'{iou:.2f}' for iou in overlaps.tolist())}."
    )


def stages() -> Figure:
    """Draw what each detector does once for an image, and what for each region."""
    rows = {
        "R-CNN": ("selective search", "warp, whole network"),
        "Fast R-CNN": ("selective search; convolutions", "cut from the map, 2 layers"),
        "Faster R-CNN": ("convolutions; proposals", "cut from the map, 2 layers"),
        "R-FCN": ("convolutions; proposals; maps", "a mean over parts"),
        "SSD": ("convolutions; boxes and classes", ""),
    }
    canvas = Canvas(500, 52 * len(rows) + 26)
    canvas.text(194, 16, "once for an image", anchor="middle", more='class="small"')
    canvas.text(404, 16, "for each region", anchor="middle", more='class="small"')
    for number, (name, (once, each)) in enumerate(rows.items()):
        y = 26 + 52 * number
        canvas.text(0, y + 25, name)
        for x, width, text, colour in ((95, 198, once, GREEN), (312, 184, each, ORANGE)):
            if text:
                fill = 'stroke-width="1.5" fill-opacity="0.2" rx="6"'
                canvas.rectangle((x, y, x + width, y + 40), fill=colour, stroke=colour, more=fill)
                middle = x + width / 2
                canvas.text(middle, y + 25, text, anchor="middle", more='class="small"')
    listed = "; ".join(
        f"{name} does {once} once and {each or 'nothing'} for each region"
        for name, (once, each) in rows.items()
    )
    return canvas.figure(f"{listed}.")


def cost_rows() -> str:
    """Write the table of multiply-adds and published numbers, in Markdown."""
    figures, rows = read_published_figures(), []
    for recipe, cost in read_costs().items():
        accuracy = [
            one.value
            for one in figures
            if one.recipe == recipe and one.metric == "mAP at IoU 0.5" and one.data == VOC07
        ]
        speed = [one for one in figures if one.recipe == recipe and one.metric == "FPS"]
        cells = [
            f"{cost.once / BILLION:,.0f}",
            f"{cost.each / BILLION:.2f} × {cost.regions:,}" if cost.each else "0",
            f"{cost.total / BILLION:,.0f}",
            f"{max(accuracy):g}",
            f"{speed[0].value:g}" if speed else "under 1",
        ]
        rows.append(f"| {NAMES[recipe]} | {' | '.join(cells)} |")
    return "\n".join(rows)


def live_regions() -> Live:
    """Draw the multiply-adds of each detector as bars, for a number of regions."""
    costs = read_costs()
    canvas = Canvas(480, 40 * len(costs) + 6)
    for number, recipe in enumerate(costs):
        y = 40 * number + 6
        canvas.text(0, y + 19, NAMES[recipe])
        canvas.add(
            f'<rect data-bar="{recipe}" x="105" y="{y}" width="0" height="28" fill="{BLUE}"/>'
            f'<text data-text="{recipe}" x="110" y="{y + 19}" class="small" fill="currentColor">'
            "</text>"
        )
    controls = (
        '<div class="controls"><label>Regions <input type="range" min="0" max="2000" step="50" '
        'value="300"><b data-value="regions">300</b></label></div>'
    )
    listed = "; ".join(f"{NAMES[name]} {cost.total / BILLION:,.0f}" for name, cost in costs.items())
    text = (
        f"Billions of multiply-adds for an image, with the published number of regions: {listed}."
    )
    data = {
        "costs": {name: {"once": cost.once, "each": cost.each} for name, cost in costs.items()},
        "most": max(cost.once + 2000 * cost.each for cost in costs.values()),
    }
    return Live(canvas.figure(text), controls, data)
