"""One extension of each type: what a package does that adds to singleshot."""

from pathlib import Path

import singleshot
from shapes_plugin.backbone import TWO_CONVOLUTIONS
from shapes_plugin.detector import CENTRES
from shapes_plugin.format import SHAPES
from shapes_plugin.losses import BALANCED, CORNERS

RECIPES = sorted(Path(__file__).parent.glob("*.toml"))


def register() -> None:
    """Add all extensions; named in pyproject.toml, called once by singleshot."""
    singleshot.register(TWO_CONVOLUTIONS, CENTRES, SHAPES, BALANCED, CORNERS)
    singleshot.register(*(singleshot.RecipeFile(path.stem, path) for path in RECIPES))
