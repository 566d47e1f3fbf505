"""Drawing of labelled boxes on images."""

from singleshot.drawing.colours import class_colour, text_colour
from singleshot.drawing.draw import draw_boxes, save_image

__all__ = ["class_colour", "draw_boxes", "save_image", "text_colour"]
