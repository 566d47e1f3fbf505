"""Drawing of labelled boxes on images."""

from singleshot.drawing.colours import class_colour, text_colour
from singleshot.drawing.draw import draw_boxes, save_image
from singleshot.drawing.outlines import LabelledOutline, draw_outlines

__all__ = [
    "LabelledOutline",
    "class_colour",
    "draw_boxes",
    "draw_outlines",
    "save_image",
    "text_colour",
]
