"""What others have published of their detectors: quoted, never measured here."""

from singleshot.comparison.published.figures import Figure, published_figures
from singleshot.comparison.published.tutorial import (
    Cell,
    System,
    Tutorial,
    TutorialRow,
    TutorialTable,
    read_tutorial,
)

__all__ = [
    "Cell",
    "Figure",
    "System",
    "Tutorial",
    "TutorialRow",
    "TutorialTable",
    "published_figures",
    "read_tutorial",
]
