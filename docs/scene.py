"""The image that the pages about detectors draw their boxes on, and what is in it."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageDraw

__all__ = ["OBJECTS", "SIZE", "draw_scene"]

SIZE = (640, 480)  # width, height
FINER = 4  # drawn so many times larger, then reduced: smooth edges
HORIZON = 250

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels, half-open
Canvas = ImageDraw.ImageDraw

OBJECTS: dict[str, Box] = {
    "tree": (40, 60, 210, 340),
    "car": (270, 270, 510, 390),
    "person": (545, 210, 605, 410),
    "ball": (200, 390, 250, 440),
}


def draw_scene() -> Image.Image:
    """A meadow, a road and four objects, each as large as its box."""
    width, height = SIZE
    image = Image.new("RGB", (width * FINER, height * FINER))
    canvas = ImageDraw.Draw(image)
    draw_ground(canvas)
    for name, box in OBJECTS.items():
        DRAWN[name](canvas, within(box))
    return image.resize(SIZE, Image.Resampling.LANCZOS)


def within(box: Box) -> Callable[[float, float, float, float], Box]:
    """Turns fractions of a box into pixels of the canvas."""
    x1, y1, x2, y2 = (FINER * side for side in box)
    # Pillow counts both corners as inside.
    width, height = x2 - x1 - 1, y2 - y1 - 1

    def place(left: float, top: float, right: float, bottom: float) -> Box:
        return x1 + left * width, y1 + top * height, x1 + right * width, y1 + bottom * height

    return place


def draw_ground(canvas: Canvas) -> None:
    """Sky, hills, meadow and road."""
    width, height = SIZE
    for row in range(HORIZON * FINER):
        part = row / (HORIZON * FINER)
        colour = tuple(round(a + part * (b - a)) for a, b in ((96, 206), (152, 228), (208, 240)))
        canvas.line((0, row, width * FINER, row), fill=colour)
    for left, top, right, colour in (
        (-80, 180, 320, (120, 160, 150)),
        (200, 200, 760, (138, 172, 150)),
    ):
        canvas.ellipse([FINER * side for side in (left, top, right, 420)], fill=colour)
    canvas.rectangle(pixels(0, HORIZON, width, height), fill=(146, 180, 106))
    canvas.rectangle(pixels(0, 350, width, 420), fill=(128, 128, 132))
    for column in range(20, width, 90):
        canvas.rectangle(pixels(column, 383, column + 45, 387), fill=(230, 230, 220))


def pixels(*sides: float) -> list[float]:
    """Those of the canvas, for pixels of the image."""
    return [FINER * side for side in sides]


def draw_tree(canvas: Canvas, place: Callable[..., Box]) -> None:
    """Draw three circles of leaves on a stem."""
    canvas.rectangle(place(0.42, 0.5, 0.58, 1), fill=(110, 78, 48))
    leaves = ((0, 0.25, 0.62, 0.66), (0.38, 0.22, 1, 0.64), (0.16, 0, 0.84, 0.5))
    for shade, box in zip(((52, 104, 58), (58, 116, 62), (68, 130, 70)), leaves, strict=True):
        canvas.ellipse(place(*box), fill=shade)


def draw_car(canvas: Canvas, place: Callable[..., Box]) -> None:
    """Roof, windows, body and wheels."""
    left, top, right, bottom = place(0.16, 0, 0.82, 0.5)
    slant = 0.18 * (right - left)
    roof = [(left, bottom), (left + slant, top), (right - slant, top), (right, bottom)]
    canvas.polygon(roof, fill=(168, 44, 42))
    for box in ((0.3, 0.1, 0.48, 0.44), (0.52, 0.1, 0.69, 0.44)):
        canvas.rectangle(place(*box), fill=(190, 216, 228))
    canvas.rounded_rectangle(place(0, 0.42, 1, 0.84), radius=12 * FINER, fill=(190, 52, 48))
    for left in (0.12, 0.68):
        canvas.ellipse(place(left, 0.6, left + 0.2, 1), fill=(36, 36, 40))
        canvas.ellipse(place(left + 0.06, 0.72, left + 0.14, 0.88), fill=(190, 190, 195))


def draw_pedestrian(canvas: Canvas, place: Callable[..., Box]) -> None:
    """Legs, coat and head."""
    for left in (0.22, 0.54):
        canvas.rectangle(place(left, 0.58, left + 0.24, 1), fill=(44, 52, 92))
    canvas.rounded_rectangle(place(0, 0.22, 1, 0.62), radius=8 * FINER, fill=(232, 186, 66))
    canvas.ellipse(place(0.22, 0, 0.78, 0.2), fill=(226, 178, 146))


def draw_ball(canvas: Canvas, place: Callable[..., Box]) -> None:
    """White, with two blue parts."""
    canvas.ellipse(place(0, 0, 1, 1), fill=(240, 240, 236))
    canvas.pieslice(place(0, 0, 1, 1), 20, 100, fill=(46, 96, 170))
    canvas.pieslice(place(0, 0, 1, 1), 200, 280, fill=(46, 96, 170))


DRAWN: dict[str, Callable[[Canvas, Callable[..., Box]], None]] = {
    "tree": draw_tree,
    "car": draw_car,
    "person": draw_pedestrian,
    "ball": draw_ball,
}
