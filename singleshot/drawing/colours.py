"""Colours of classes, distinct to any colour vision."""

__all__ = ["Colour", "class_colour", "text_colour"]

Colour = tuple[int, int, int]

BLACK, WHITE = (0, 0, 0), (255, 255, 255)

# Okabe & Ito, "Color Universal Design" (2008), without black; strongest contrasts first.
PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (0, 158, 115),  # bluish green
    (240, 228, 66),  # yellow
    (0, 114, 178),  # blue
    (213, 94, 0),  # vermilion
    (204, 121, 167),  # reddish purple
)


def class_colour(label: int) -> Colour:
    """Choose the colour of a class; from the eighth class on they repeat."""
    return PALETTE[label % len(PALETTE)]


def text_colour(background: Colour) -> Colour:
    """Choose black or white by the higher contrast to the background (WCAG 2 contrast ratio)."""
    luminance = _relative_luminance(background)
    return BLACK if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else WHITE


def _relative_luminance(colour: Colour) -> float:
    """Compute the relative luminance of an sRGB colour, 0 to 1 (WCAG 2)."""
    red, green, blue = (_linear(channel / 255) for channel in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    """Undo the gamma of sRGB."""
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
