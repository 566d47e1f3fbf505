"""Images with their boxes, for people to look at."""

from singleshot.drawing.colours import class_colour, text_colour
from singleshot.drawing.draw import draw
from singleshot.drawing.save import save

__all__ = ["class_colour", "draw", "save", "text_colour"]
