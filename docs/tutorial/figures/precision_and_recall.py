"""Figures of the lesson on precision and recall: 12 dogs, some cats, 8 detections."""

from __future__ import annotations

import numpy as np
from tutorial.drawing import GREEN, ORANGE, Canvas, Figure, Live

from singleshot.metrics import precision_recall_curve

__all__ = ["IS_DOG", "NUM_DOGS", "SCORES", "all_animals", "draw_cat", "draw_dog", "live_threshold"]

NUM_DOGS = 12
SCORES = np.array([0.95, 0.90, 0.85, 0.80, 0.70, 0.60, 0.50, 0.40])
IS_DOG = np.array([True, True, False, True, False, True, True, False])

# Middles of the animals; the first five dogs and the first three cats are detected.
DOGS = [(70, 70), (250, 60), (430, 80), (160, 190), (520, 200)]
DOGS += [(340, 70), (60, 200), (250, 300), (610, 90), (70, 310), (440, 310), (620, 310)]
CATS = [(160, 80), (340, 180), (530, 300), (430, 200), (160, 310)]
STEP = 95  # from one detection to the next
REACH = 36  # from the middle of an animal to its box


def draw_dog(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Draw a dog's head, with hanging ears, around (x, y)."""
    canvas.add(
        f'<g transform="translate({x:g} {y:g}) scale({size / 100:g})">'
        '<ellipse cx="0" cy="0" rx="36" ry="40" fill="#b9834f"/>'
        '<ellipse cx="-36" cy="-2" rx="13" ry="31" fill="#6d4524" transform="rotate(12 -36 -2)"/>'
        '<ellipse cx="36" cy="-2" rx="13" ry="31" fill="#6d4524" transform="rotate(-12 36 -2)"/>'
        '<ellipse cx="0" cy="18" rx="21" ry="19" fill="#ead7bd"/>'
        '<circle cx="-14" cy="-10" r="5" fill="#222"/><circle cx="14" cy="-10" r="5" fill="#222"/>'
        '<ellipse cx="0" cy="9" rx="9" ry="6.5" fill="#222"/>'
        '<path d="M0 14V25M-9 24Q0 34 9 24" fill="none" stroke="#222" stroke-width="3"/></g>'
    )


def draw_cat(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Draw a cat's head, with pointed ears and whiskers, around (x, y)."""
    canvas.add(
        f'<g transform="translate({x:g} {y:g}) scale({size / 100:g})">'
        '<path d="M-37 0L-35 -47L-8 -30H8L35 -47L37 0Z" fill="#8d939c"/>'
        '<ellipse cx="0" cy="4" rx="38" ry="35" fill="#8d939c"/>'
        '<path d="M-30 -25L-31 -37L-18 -29ZM30 -25L31 -37L18 -29Z" fill="#e3a9ae"/>'
        '<ellipse cx="-15" cy="-3" rx="6" ry="7" fill="#d9e36c"/>'
        '<ellipse cx="15" cy="-3" rx="6" ry="7" fill="#d9e36c"/>'
        '<ellipse cx="-15" cy="-3" rx="2" ry="6" fill="#222"/>'
        '<ellipse cx="15" cy="-3" rx="2" ry="6" fill="#222"/>'
        '<path d="M-5 10H5L0 16Z" fill="#d5797f"/>'
        '<path d="M0 16V21M-8 22Q0 28 8 22M-14 13L-46 8M-14 17L-46 20M14 13L46 8M14 17L46 20"'
        ' fill="none" stroke="#3a3d42" stroke-width="2"/></g>'
    )


def all_animals() -> Figure:
    """Draw all dogs and cats with the eight detections."""
    canvas = Canvas(680, 380)
    canvas.rectangle((0, 0, 680, 380), fill="#9fbf8f")
    for place in DOGS:
        draw_dog(canvas, *place, 66)
    for place in CATS:
        draw_cat(canvas, *place, 62)
    found = DOGS[: int(IS_DOG.sum())] + CATS[: int((~IS_DOG).sum())]
    for number, (x, y) in enumerate(found):
        right = number < IS_DOG.sum()
        canvas.box(
            (x - REACH, y - REACH, x + REACH, y + REACH),
            GREEN if right else ORANGE,
            "dog",
            dashed=not right,
        )
    return canvas.figure(
        "An image of twelve dogs and five cats. Eight boxes are labelled dog: "
        "five are around dogs, three are around cats. Seven dogs have no box."
    )


def live_threshold() -> Live:
    """Draw the detections, best first, with a slider for the score threshold."""
    canvas = Canvas(4 * STEP, 2 * STEP + 30)
    for number, (score, is_dog) in enumerate(zip(SCORES, IS_DOG, strict=True)):
        x, y = STEP * (number % 4 + 0.5), (STEP + 15) * (number // 4) + 42
        canvas.add(f'<g data-detection="{number}">')
        (draw_dog if is_dog else draw_cat)(canvas, x, y, 66)
        box = (x - REACH, y - REACH, x + REACH, y + REACH)
        canvas.box(box, GREEN if is_dog else ORANGE, dashed=not is_dog)
        canvas.text(x, y + REACH + 20, f"{score:.2f}", anchor="middle")
        canvas.add("</g>")
    curve = precision_recall_curve(SCORES, IS_DOG, num_truths=NUM_DOGS)
    text = (
        "Eight detections with their scores, from 0.95 to 0.40; five are dogs, three are cats. "
        "With a low threshold all eight count: "
        f"precision {curve.precision[-1]:.4f}, recall {curve.recall[-1]:.4f}. "
        "With a threshold of 0.90 two dogs are left: "
        f"precision {curve.precision[1]:.4f}, recall {curve.recall[1]:.4f}."
    )
    controls = (
        '<div class="controls"><label>Score threshold '
        '<input type="range" min="0" max="1" step="0.01" value="0.3">'
        '<b data-value="threshold">0.30</b></label></div>'
        '<p aria-live="polite" class="counts">'
        'True positives: <b data-value="tp">5</b>. False positives: <b data-value="fp">3</b>. '
        'False negatives: <b data-value="fn">7</b>. '
        'Precision: <b data-value="precision">0.6250</b>. '
        'Recall: <b data-value="recall">0.4167</b>.</p>'
    )
    data = {"scores": SCORES.tolist(), "isDog": IS_DOG.tolist(), "numDogs": NUM_DOGS}
    return Live(canvas.figure(text), controls, data)
