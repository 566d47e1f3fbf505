"""Figures of the lesson on the task: what a classifier and a detector output."""

from __future__ import annotations

from tutorial.drawing import GREEN, Canvas, Figure
from tutorial.photographs import BLOOD, BLOOD_CLASSES, DOGS, open_photograph

from singleshot.drawing import class_colour

__all__ = ["blood_cells", "two_outputs"]

AREAS = [(label, (box[2] - box[0]) * (box[3] - box[1])) for label, box in BLOOD]
of_platelet, of_white = (next(area for one, area in AREAS if one == label) for label in (0, 2))

WIDTH = 250
GAP = 20


def two_outputs() -> Figure:
    """Draw the answer of a classifier beside that of a detector."""
    photograph = open_photograph("dogs")
    scale = WIDTH / photograph.width
    height = scale * photograph.height
    canvas = Canvas(2 * WIDTH + GAP, height + 34)
    canvas.photograph(photograph, 0, 0, WIDTH)
    canvas.text(WIDTH / 2, height + 22, "classification: dog", anchor="middle")
    left = WIDTH + GAP
    canvas.photograph(photograph, left, 0, WIDTH)
    for box in DOGS:
        x1, y1, x2, y2 = (scale * side for side in box)
        canvas.box((left + x1, y1, left + x2, y2), GREEN, "dog")
    canvas.text(left + WIDTH / 2, height + 22, "detection: 4 dogs, and where", anchor="middle")
    return canvas.figure(
        "The same image of four dogs twice. A classifier outputs the word dog; a detector outputs "
        "four boxes, one around each dog, each labelled dog."
    )


def blood_cells() -> Figure:
    """Draw the annotated objects of three classes in a photograph of blood."""
    photograph = open_photograph("blood")
    width = 480
    scale = width / photograph.width
    canvas = Canvas(width, scale * photograph.height)
    canvas.photograph(photograph, 0, 0, width)
    for label, box in BLOOD:
        colour = "#{:02x}{:02x}{:02x}".format(*class_colour(label))
        canvas.box([scale * side for side in box], colour, BLOOD_CLASSES[label])
    return canvas.figure(
        "A photograph of blood through a microscope with eleven boxes: eight red blood cells, one "
        "white blood cell, and two small platelets."
    )
