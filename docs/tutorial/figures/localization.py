"""Figures of the lesson on localization: two heads, and boxes that are learned on four dogs."""

from __future__ import annotations

from functools import cache
from typing import Literal, cast

import numpy as np
import torch
from tutorial.drawing import BLUE, GREEN, ORANGE, Canvas, Figure, Live
from tutorial.photographs import DOGS, open_photograph

from singleshot.boxes.geometry import pairwise_iou
from singleshot.detectors.localizer.network import Localizer
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Sample, Truth

__all__ = ["attachments", "live_learning", "num_parameters"]

Attachment = Literal["fully_connected", "convolutions"]
ATTACHMENTS: tuple[Attachment, ...] = ("convolutions", "fully_connected")

# The four photographs within the one of the dogs, and one class for each row.
FRAMES = [(0, 0, 328, 320), (328, 0, 640, 320), (0, 320, 328, 651), (328, 320, 640, 651)]
CLASSES = ("grey dog", "red dog")
SIDE = 128  # pixels of the network's input
SHOWN = (0, 2, 4, 6, 8, 10, 15, 20, 30, 40, 60)  # steps
RATE = 2e-4
WIDTH = 200  # of a drawn photograph


def build_localizer(attach: Attachment, side: int, *, pretrained: bool) -> Localizer:
    """Build the recipe's localizer with one of its two attachments of the box layer."""
    overrides = {"model.attach": attach, "model.input": [side, side]}
    torch.manual_seed(0)
    settings = load_recipe("localizer", overrides).model
    return cast(Localizer, build_detector(settings, CLASSES, pretrained=pretrained))


def num_parameters(attach: Attachment) -> int:
    """Count what the layers after the convolutions learn."""
    heads = build_localizer(attach, 224, pretrained=False).parts["heads"]
    return sum(parameter.numel() for parameter in heads.parameters())


def crop_dogs() -> Batch:
    """Make a batch of the four photographs, each with one object."""
    photograph, samples = open_photograph("dogs"), []
    for number, (frame, box) in enumerate(zip(FRAMES, DOGS, strict=True)):
        left, top, right, bottom = frame
        image = np.array(photograph.crop(frame).resize((SIDE, SIDE)))
        corner = torch.tensor([left, top, left, top])
        size = torch.tensor([right - left, bottom - top] * 2)
        boxes = ((torch.tensor([box]) - corner) / size * SIDE).clamp(0, SIDE)
        truth = Truth.of(boxes, torch.tensor([number // 2]))
        samples.append(Sample(torch.from_numpy(image).permute(2, 0, 1), truth, f"dog {number}"))
    return Batch.of(samples)


@cache
def learn(attach: Attachment) -> list[dict[str, object]]:
    """Train the layers after the convolutions on the four images; record some of the steps."""
    localizer, batch = build_localizer(attach, SIDE, pretrained=True), crop_dogs()
    localizer.backbone.requires_grad_(False)
    learned = [one for one in localizer.parameters() if one.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=RATE)
    truths = torch.cat([truth.boxes for truth in batch.truths])
    recorded = []
    for step in range(max(SHOWN) + 1):
        losses = localizer.losses(batch)
        if step in SHOWN:
            with torch.no_grad():
                boxes = SIDE * localizer(batch.images)[1]
            overlap = pairwise_iou(boxes, truths).diagonal().mean()
            numbers = {name: round(term.item(), 4) for name, term in losses.terms.items()}
            shown = (boxes * WIDTH / SIDE).round(decimals=1).tolist()
            recorded.append({"boxes": shown, "iou": round(overlap.item(), 2), **numbers})
        optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        optimizer.step()
    return recorded


def live_learning() -> Live:
    """Draw the four photographs with their truth and the box that is predicted at a step."""
    gap = 8
    canvas = Canvas(2 * WIDTH + gap, 2 * WIDTH + gap)
    photograph, truths = open_photograph("dogs"), crop_dogs().truths
    for number, frame in enumerate(FRAMES):
        x, y = (WIDTH + gap) * (number % 2), (WIDTH + gap) * (number // 2)
        # A photograph of its own, so that boxes that reach out of it are cut off.
        canvas.add(f'<svg x="{x}" y="{y}" width="{WIDTH}" height="{WIDTH}">')
        canvas.photograph(photograph.crop(frame).resize((2 * WIDTH, 2 * WIDTH)), 0, 0, WIDTH)
        canvas.box([WIDTH / SIDE * side for side in truths[number].boxes[0].tolist()], GREEN)
        canvas.add(
            f'<rect data-number="{number}" fill="none" stroke="{BLUE}" stroke-width="4"'
            ' stroke-dasharray="9 5"/></svg>'
        )
    options = {"convolutions": "the convolutions", "fully_connected": "the last layer of classes"}
    choices = "".join(f'<option value="{name}">{text}</option>' for name, text in options.items())
    controls = (
        '<div class="controls"><label>Training step <input type="range" min="0" '
        f'max="{len(SHOWN) - 1}" value="0"><b data-value="step">0</b></label>'
        f"<label>Box layer after <select>{choices}</select></label></div>"
        '<p aria-live="polite" class="reading">Loss of the box: <b data-value="localization"></b>. '
        'Loss of the class: <b data-value="classification"></b>. '
        'Mean IoU: <b data-value="iou"></b></p>'
    )
    runs = {name: learn(name) for name in ATTACHMENTS}
    first, last = runs["convolutions"][0], runs["convolutions"][-1]
    text = (
        "Four photographs of a dog each, with the annotated box and the predicted one. At step 0 "
        f"the mean IoU is {first['iou']:.2f}; after {SHOWN[-1]} steps it is {last['iou']:.2f}."
    )
    return Live(canvas.figure(text), controls, {"steps": SHOWN, "runs": runs})


def attachments() -> Figure:
    """Draw the layers of both kinds of localizers, with their sizes."""
    localizer = build_localizer("convolutions", 224, pretrained=False)
    first = localizer.layers.linear[0]
    channels = localizer.backbone.channels[-1]
    side = round((first.in_features / channels) ** 0.5)
    wide = [str(layer.out_features) for layer in localizer.layers.linear]
    canvas = Canvas(480, 330)
    for x, y, width, title, below, colour in (
        (5, 120, 80, "image", "3 × 224 × 224", ""),
        (110, 120, 100, "convolutions", f"{channels} × {side} × {side}", ""),
        (245, 120, 100, "fully connected", " and ".join(wide), ""),
        (375, 120, 100, "classes", "a score for each", GREEN),
        (375, 20, 100, "box, way A", "4 numbers", ORANGE),
        (245, 20, 100, "its own layers", " and ".join(wide), ORANGE),
        (375, 230, 100, "box, way B", "4 numbers", BLUE),
    ):
        fill = f'fill="{colour}" fill-opacity="0.25"' if colour else 'fill="none"'
        canvas.add(
            f'<rect x="{x}" y="{y}" width="{width}" height="56" rx="6" {fill}'
            f' stroke="{colour or "currentColor"}" stroke-width="1.5"/>'
        )
        canvas.text(x + width / 2, y + 24, title, anchor="middle", more='class="small"')
        canvas.text(x + width / 2, y + 44, below, anchor="middle", more='class="small"')
    for points in (
        [(85, 148), (110, 148)],
        [(210, 148), (245, 148)],
        [(345, 148), (375, 148)],
        [(227, 148), (227, 48), (245, 48)],
        [(345, 48), (375, 48)],
        [(360, 148), (360, 258), (375, 258)],
    ):
        canvas.line(points, more='stroke-width="1.5"')
        x, y = points[-1]
        canvas.add(f'<path d="M{x} {y}l-8 -4v8z" fill="currentColor"/>')
    canvas.text(5, 310, "A: after the convolutions.  B: after the last fully connected layer.")
    return canvas.figure(
        "An image goes through convolutions and two fully connected layers to the scores of the "
        "classes. The box is computed either after the convolutions, by layers of its own, or from "
        "the last fully connected layer."
    )
