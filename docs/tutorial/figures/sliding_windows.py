"""Figures of the lesson on sliding windows: an ImageNet classifier at every place of an image."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import timm
import torch
from PIL import Image
from tutorial.drawing import BLUE, GREEN, ORANGE, Canvas, Figure, Live
from tutorial.photographs import DOGS, open_photograph

from singleshot.backbones.weights import classifier_weights
from singleshot.boxes.geometry import pairwise_iou
from singleshot.boxes.nms import nms
from singleshot.models.listing import list_recipes
from singleshot.recipes.load import load_recipe

__all__ = [
    "before_and_after",
    "kept_boxes",
    "live_window",
    "num_boxes",
    "num_windows",
    "score_maps",
    "windows_above",
]

SIDES = (200, 250, 312)  # of the windows, in pixels of the photograph
STEPS = 5  # to move a window by its own width
INPUT = 160  # pixels of the classifier's input
RED_DOGS = (259, 260)  # ImageNet's classes of Pomeranians and chow chows
SCORE_THRESHOLD, IOU_THRESHOLD = 0.9, 0.3
WIDTH = 300


class Windows(NamedTuple):
    """Windows of one size, row by row."""

    boxes: torch.Tensor  # (rows × columns, 4), pixels of the photograph
    scores: torch.Tensor
    grid: tuple[int, int]


@cache
def load_classifier() -> torch.nn.Module:
    """Build the classifier with the weights that a package of ours depends on."""
    settings = load_recipe("localizer").model.backbone
    classifier = timm.create_model(settings.name)
    classifier.load_state_dict(dict(classifier_weights(settings)))
    return classifier.eval()


def classify(photograph: Image.Image, boxes: list[tuple[float, ...]]) -> torch.Tensor:
    """Compute the probability of a red dog in each box."""
    crops = [np.array(photograph.resize((INPUT, INPUT), box=box)) for box in boxes]
    pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        outputs = [load_classifier()(part).softmax(dim=1) for part in pixels.split(16)]
    return torch.cat(outputs)[:, RED_DOGS].sum(dim=1)


@cache
def all_windows() -> dict[int, Windows]:
    """Classify every window of each size."""
    photograph, found = open_photograph("dogs"), {}
    for side in SIDES:
        stride = side / STEPS
        rows, columns = (int((length - side) / stride) + 1 for length in photograph.size[::-1])
        corners = [(stride * i, stride * j) for j in range(rows) for i in range(columns)]
        boxes = [(x, y, x + side, y + side) for x, y in corners]
        found[side] = Windows(torch.tensor(boxes), classify(photograph, boxes), (rows, columns))
    return found


def num_windows() -> int:
    """Count the windows of all sizes."""
    return sum(len(windows.scores) for windows in all_windows().values())


def num_boxes(recipe: str) -> int:
    """Look up how many boxes a shipped detector classifies."""
    return next(one.num_boxes for one in list_recipes() if one.name == recipe)


def best_windows() -> tuple[torch.Tensor, torch.Tensor]:
    """Select the boxes and scores of all windows above the score threshold."""
    boxes = torch.cat([windows.boxes for windows in all_windows().values()])
    scores = torch.cat([windows.scores for windows in all_windows().values()])
    above = scores >= SCORE_THRESHOLD
    return boxes[above], scores[above]


def windows_above() -> int:
    """Count the windows above the score threshold."""
    return len(best_windows()[1])


def kept_boxes() -> list[float]:
    """Return, of each box that NMS keeps, the IoU with the dog that it overlaps most."""
    boxes, scores = best_windows()
    kept = boxes[nms(boxes, scores, torch.zeros(len(scores), dtype=torch.int64), IOU_THRESHOLD)]
    return pairwise_iou(kept, torch.tensor(DOGS[2:]).float()).amax(dim=1).tolist()


def score_maps() -> Figure:
    """Draw the score of each window of one size as a tile around the window's middle."""
    photograph, gap = open_photograph("dogs"), 10
    side = 150
    scale = side / photograph.width
    height = scale * photograph.height
    canvas = Canvas(3 * side + 2 * gap, height + 26)
    for number, (window, (boxes, scores, _)) in enumerate(all_windows().items()):
        left, stride = number * (side + gap), scale * window / STEPS
        canvas.photograph(photograph, left, 0, side)
        for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores.tolist(), strict=True):
            x, y = left + scale * (x1 + x2) / 2 - stride / 2, scale * (y1 + y2) / 2 - stride / 2
            tile = (x, y, x + stride, y + stride)
            canvas.rectangle(tile, fill="#ffd400", more=f'opacity="{0.8 * score:.2f}"')
        title = f"{window} pixels: {len(scores)}"
        canvas.text(left + side / 2, height + 18, title, anchor="middle", more='class="small"')
    return canvas.figure(
        "Three maps of scores over the image of four dogs, for three sizes of windows. The upper "
        "half, with the grey dogs, has scores near 0; the lower half, with the red dogs, near 1."
    )


def before_and_after() -> Figure:
    """Draw the windows with high scores, and those that NMS keeps."""
    photograph, gap, side = open_photograph("dogs"), 10, 235
    scale = side / photograph.width
    height = scale * photograph.height
    canvas = Canvas(2 * side + gap, height + 26)
    boxes, scores = best_windows()
    kept = nms(boxes, scores, torch.zeros(len(scores), dtype=torch.int64), IOU_THRESHOLD)
    for number, chosen in enumerate((boxes, boxes[kept])):
        left = number * (side + gap)
        canvas.photograph(photograph, left, 0, side)
        for box in DOGS[2:]:
            x1, y1, x2, y2 = (scale * length for length in box)
            canvas.box((left + x1, y1, left + x2, y2), GREEN)
        for x1, y1, x2, y2 in (scale * chosen).tolist():
            width = 'stroke-width="1.5"' if number == 0 else 'stroke-width="3"'
            canvas.rectangle((left + x1, y1, left + x2, y2), stroke=BLUE, more=width)
        title = f"{len(chosen)} {'after NMS' if number else 'windows'}"
        canvas.text(left + side / 2, height + 18, title, anchor="middle")
    return canvas.figure(
        f"Left, {len(boxes)} windows crowd around the two red dogs; right, the {len(kept)} that "
        "non-maximum suppression keeps. The annotated boxes are green; none is met well."
    )


def live_window() -> Live:
    """Draw the photograph with one window, whose place and size are chosen."""
    photograph = open_photograph("dogs")
    scale = WIDTH / photograph.width
    canvas = Canvas(WIDTH, scale * photograph.height)
    canvas.photograph(photograph, 0, 0, WIDTH)
    canvas.add(
        f'<rect data-part="window" x="0" y="0" width="{scale * SIDES[0]:g}"'
        f' height="{scale * SIDES[0]:g}" fill="none" stroke="{ORANGE}" stroke-width="4"/>'
    )
    sizes = "".join(f'<option value="{side}">{side} pixels</option>' for side in SIDES)
    controls = (
        f'<div class="controls"><label>Size <select>{sizes}</select></label>'
        '<label>Column <input type="range" data-axis="x" min="0" max="11" value="0"></label>'
        '<label>Row <input type="range" data-axis="y" min="0" max="11" value="0"></label></div>'
        '<p aria-live="polite" class="reading">Row <b data-value="row"></b>, column '
        '<b data-value="column"></b>: score <b data-value="score"></b></p>'
    )
    sizes_data = {
        str(side): {
            "rows": windows.grid[0],
            "columns": windows.grid[1],
            "scores": [round(score, 4) for score in windows.scores.tolist()],
        }
        for side, windows in all_windows().items()
    }
    highest = max(float(windows.scores.max()) for windows in all_windows().values())
    text = (
        "A window over the image of four dogs, and the score of a red dog that a classifier gives "
        f"to what is inside. Over the grey dogs it is near 0; the highest is {highest:.4f}."
    )
    return Live(
        canvas.figure(text), controls, {"scale": scale, "steps": STEPS, "sizes": sizes_data}
    )
