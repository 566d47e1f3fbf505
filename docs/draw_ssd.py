"""Draws the images of docs/learn/how-ssd-works.md.

    python docs/draw_ssd.py             priors and heads
    python docs/draw_ssd.py RUN DATA    and what a trained SSD does with a test image of DATA

Those on the page are of blood cells (Shenggan/BCCD_Dataset, MIT) and this run:

    singleshot models import ssdlite_mnv2_coco_tfjs --output runs/imported
    singleshot train runs/imported/recipe.toml --init runs/imported --data bccd --split trainval \
        --val-split none --run runs/cells --set training.steps=200 --set training.batch_size=8 \
        --set training.learning_rate=0.005 --set model.input=[192,256]

All boxes come from the package: its priors, matching, mining and NMS. Captions are on the page,
where they have the colours of its letters.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from draw_boxes import draw_grid, draw_panel, of_ssd
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageDraw
from scene import OBJECTS, SIZE, draw_scene
from torch import Tensor

import singleshot
from singleshot.boxes.geometry import from_unit, to_corners, to_unit
from singleshot.detectors.common.priors import prior_boxes
from singleshot.detectors.ssd.loss import hard_negatives, odds_against_background
from singleshot.detectors.ssd.matching import match_by_place
from singleshot.detectors.ssd.network import Ssd
from singleshot.detectors.ssd.postprocess import postprocess
from singleshot.detectors.ssd.priors import Priors, prior_levels, shapes_of_levels
from singleshot.drawing import class_colour
from singleshot.drawing.colours import Colour
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Sample, Truth

FOLDER = Path(__file__).parent / "learn/ssd"
COLOURS = 256  # of a file

# The paper's figure 1: a fine and a coarse feature map, each with objects that suit it.
GRIDS = ((8, 8), (4, 4))
SIZES_UNIT = (0.2, 0.4, 0.6)
INPUT = (300, 300)
LEVELS = ("conv4_3", "fc7", "conv8_2", "conv9_2", "conv10_2", "conv11_2")

WIDTH = 480  # pixels of a drawn photograph
LEAST_SCORE = 0.15  # of the detections that are drawn
WHITE, RED = (255, 255, 255), (200, 30, 30)

NUM_CLASSES = 20  # VOC's
HEADS_TITLE = "Heads of SSD300 for 20 classes: box and class channels of each level"
HEADS = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 380 410" role="img">
<title>{title}</title>
<style>
  text {{ font: 13px system-ui, sans-serif; text-anchor: middle; fill: #1b1f24 }}
  .small {{ font-size: 11px; fill: #57606a }}
  path {{ fill: none; stroke: #8a94a3 }}
  .page {{ fill: #ffffff; stroke: #c9ced6 }}
  .map {{ fill: #e6e9ee; stroke: #8a94a3 }}
  .box {{ fill: #cfe8ff; stroke: #2f7fc1 }}
  .class {{ fill: #ffe0c2; stroke: #c46a1b }}
</style>
<rect class="page" x="0.5" y="0.5" width="379" height="409" rx="8"/>
{parts}
</svg>
"""

Box = Float[Tensor, "n 4"]


class Outline(NamedTuple):
    """Boxes of one colour."""

    boxes: Box  # pixels of the input
    colour: Colour
    width: int = 2
    halo: bool = True  # a dark edge, which shows on a background of the same colour


def priors_and_objects() -> Iterator[tuple[str, Image.Image]]:
    """Draw the paper's figure 1: objects, and which priors of two feature maps match them."""
    shapes = shapes_of_levels(SIZES_UNIT, [[2, 3]] * len(GRIDS), INPUT)
    levels = prior_levels(GRIDS, shapes, INPUT)
    priors = Priors(prior_boxes(levels, INPUT).float(), tuple(levels), INPUT)
    scene = draw_scene().resize(INPUT[::-1], Image.Resampling.LANCZOS)
    objects = from_unit(to_unit(torch.tensor(list(OBJECTS.values())), SIZE[::-1]), INPUT)
    labels = torch.arange(len(objects))
    each = [Outline(objects[[label]], class_colour(label)) for label in labels.tolist()]
    yield "objects", draw(scene, INPUT, each)
    matches = match_by_place([Truth.of(objects, labels)], priors)
    assert matches is not None
    boxes = from_unit(to_corners(priors.boxes_cxcywh_unit), INPUT)
    first = 0
    for level in levels:
        rows, columns = level.grid
        end = first + len(level)
        here = (matches.prior >= first) & (matches.prior < end)
        cell = boxes[first:end].reshape(rows, columns, -1, 4)[rows // 2, columns // 2 - 1]
        of_object = [
            Outline(boxes[matches.prior[here & (matches.labels == label)]], class_colour(label))
            for label in labels.tolist()
        ]
        image = draw(scene, INPUT, [Outline(cell, WHITE, 1), *of_object], level.grid)
        yield f"matches-{rows}x{columns}", image
        print(f"{rows} x {columns}: {int(here.sum())} matches", matches.labels[here].tolist())
        first = end


def levels_of_ssd300() -> Iterator[tuple[str, Image.Image]]:
    """Draw the cells of each level, and the priors of the one in the middle."""
    settings = load_recipe("ssd300-vgg16").model
    detector = build_detector(settings, list(OBJECTS), pretrained=False)
    for panel in of_ssd(detector):
        yield f"level-{panel.grid[0]}", draw_panel(panel, INPUT[::-1], 1.0)


def training(detector: Ssd, sample: Sample) -> Iterator[tuple[str, Image.Image]]:
    """Draw the objects of an image, the priors that match them, and the hardest negatives."""
    size = detector.priors.size
    image = detector.resize_images([sample.image]).round().to(torch.uint8)
    shape = (sample.image.shape[1], sample.image.shape[2])
    truth = Truth.of(from_unit(to_unit(sample.truth.boxes, shape), size), sample.truth.labels)
    outputs, matched = detector.match(Batch(image, (truth,), (sample.name,)))
    positive = torch.zeros_like(outputs.logits[..., 0], dtype=torch.bool)
    positive[0, matched.prior] = True
    options = detector.loss_options
    negative = hard_negatives(
        loss_as_background(detector, outputs.logits),
        positive,
        ratio=options.negatives_per_positive,
        at_least=options.min_negatives,
    )
    boxes = from_unit(to_corners(detector.priors_cxcywh_unit), size)
    photograph = as_image(sample.image)
    yield "truth", draw(photograph, size, by_label(truth.boxes, truth.labels))
    yield "matched", draw(photograph, size, by_label(boxes[matched.prior], matched.labels))
    yield "mined", draw(photograph, size, [Outline(boxes[negative[0]], RED, 1, halo=False)])
    print(f"{len(truth)} objects, {detector.num_boxes} priors: {len(matched.prior)} matched,")
    print(f"{int(negative.sum())} negatives")


def loss_as_background(detector: Ssd, logits: Float[Tensor, "b priors columns"]) -> Tensor:
    """Compute what the loss ranks negatives by."""
    if detector.heads.scores == "softmax":
        return odds_against_background(logits)
    return torch.nn.functional.softplus(logits).sum(dim=-1)


def detection(detector: Ssd, sample: Sample) -> Iterator[tuple[str, Image.Image]]:
    """Draw the boxes of an image before and after NMS."""
    outputs = detector.raw_outputs(detector.resize_images([sample.image]))
    height, width = sample.image.shape[1:]
    options = replace(detector.postprocess_options, score_threshold=LEAST_SCORE, nms="hard")
    # No two boxes overlap by more than 1.
    for name, iou_threshold in (("before-nms", 1.0), ("after-nms", 0.45)):
        (found,) = postprocess(
            *outputs,
            [(height, width)],
            scores=detector.heads.scores,
            unused_columns=detector.heads.unused_columns,
            offset_scales=detector.priors.offset_scales,
            options=replace(options, iou_threshold=iou_threshold),
        )
        print(f"{name}: {len(found)} boxes")
        yield (
            name,
            draw(as_image(sample.image), (height, width), by_label(found.boxes, found.labels)),
        )


def by_label(boxes: Box, labels: Int[Tensor, " n"]) -> list[Outline]:
    """Give boxes the colour of their class."""
    return [
        Outline(boxes[labels == label], class_colour(label)) for label in labels.unique().tolist()
    ]


def as_image(image: UInt8[Tensor, "3 h w"]) -> Image.Image:
    """Convert to an image of the width of the page."""
    photograph = Image.fromarray(image.permute(1, 2, 0).numpy())
    size = WIDTH, round(WIDTH * photograph.height / photograph.width)
    return photograph.resize(size, Image.Resampling.LANCZOS)


def draw(
    image: Image.Image,
    size: tuple[int, int],
    outlines: Sequence[Outline],
    grid: tuple[int, int] | None = None,
) -> Image.Image:
    """Draw boxes, in pixels of an input of (height, width) `size`, on a copy of an image."""
    image = image.copy()
    canvas = ImageDraw.Draw(image, "RGBA")
    if grid is not None:
        draw_grid(canvas, grid, image.size)
    sides = (image.height, image.width)
    for boxes, colour, width, halo in outlines:
        for x1, y1, x2, y2 in from_unit(to_unit(boxes, size), sides).tolist():
            if halo:
                around = (x1 - 1, y1 - 1, x2 + 1, y2 + 1)
                canvas.rectangle(around, outline=(0, 0, 0, 150), width=width + 2)
            canvas.rectangle((x1, y1, x2, y2), outline=colour, width=width)
    return image


def heads_of_ssd300() -> str:
    """Draw the heads of each level with their channels, as SVG."""
    summary = singleshot.show_model("ssd300-vgg16", NUM_CLASSES)
    parts = [
        words(70, 24, "feature map", f"input {by(summary.input)}"),
        words(213, 24, "box channels", "4 for each prior"),
        words(323, 24, "class channels", f"{NUM_CLASSES + 1} for each prior"),
    ]
    for row, (name, level) in enumerate(zip(LEVELS, summary.levels, strict=True)):
        top, priors = 56 + 58 * row, level.priors_per_cell
        parts += [
            f'<path d="M130 {top + 22} H170 M145 {top + 22} V{top + 50} H264 V{top + 22} H280"/>',
            block("map", (10, top, 120))
            + words(70, top + 18, name, f"{by(level.grid)} × {level.channels}"),
            block("box", (170, top, 86))
            + words(213, top + 18, f"{level.box_channels}", f"4 × {priors}"),
            block("class", (280, top, 86))
            + words(323, top + 18, f"{level.class_channels}", f"{NUM_CLASSES + 1} × {priors}"),
        ]
    return HEADS.format(title=HEADS_TITLE, parts="\n".join(parts))


def by(sides: tuple[int, int]) -> str:
    """Print (rows, columns) as in 38 × 38."""
    return " × ".join(map(str, sides))


def block(kind: str, place: tuple[int, int, int]) -> str:
    """Draw a block at (left, top, width)."""
    left, top, width = place
    return f'<rect class="{kind}" x="{left}" y="{top}" width="{width}" height="44" rx="5"/>'


def words(x: int, y: int, line: str, below: str) -> str:
    """Write two centred lines."""
    second = f'<text class="small" x="{x}" y="{y + 17}">{below}</text>'
    return f'<text x="{x}" y="{y}">{line}</text>{second}'


def save(name: str, image: Image.Image) -> None:
    """Write one image of the page."""
    path = FOLDER / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {image.width} x {image.height}, {path.stat().st_size // 1024} KB")


@torch.no_grad()
def main(arguments: Sequence[str]) -> None:
    """Draw what the arguments allow."""
    for drawn in (priors_and_objects(), levels_of_ssd300()):
        for name, image in drawn:
            save(name, image)
    (FOLDER / "heads.svg").write_text(heads_of_ssd300(), encoding="utf-8")
    if arguments:
        run, data = arguments
        detector = singleshot.load(run)
        dataset = singleshot.open_dataset(data, "test")
        sample = next(one for one in map(dataset.__getitem__, range(len(dataset))) if suits(one))
        print(sample.name)
        for drawn in (training(detector, sample), detection(detector, sample)):
            for name, image in drawn:
                save(name, image)


def suits(sample: Sample) -> bool:
    """Find an image with objects of every class that is not crowded."""
    return len(sample.truth.labels.unique()) == 3 and len(sample.truth) <= 12


if __name__ == "__main__":
    main(sys.argv[1:])
