"""List recipes with the size of what they build.

Sizes of the shipped recipes are read from a file, since building all networks takes many seconds.
`python -m singleshot.models.listing` writes it anew; a test compares it with the built networks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from singleshot.recipes.load import load_recipe, recipe_files

__all__ = ["RecipeSize", "RecipeSummary", "compute_size", "list_recipes"]

SIZES = Path(str(resources.files("singleshot.models")), "sizes.json")
NUM_CLASSES = 20  # VOC's


@dataclass(frozen=True)
class RecipeSize:
    """The size of the detector that a recipe builds for VOC's 20 classes."""

    input: tuple[int, int]  # height, width
    preset: str
    num_boxes: int
    parameters: int

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RecipeSize:
        """Read an entry of the file of sizes."""
        height, width = document["input"]
        return cls(**{**document, "input": (height, width)})


@dataclass(frozen=True)
class RecipeSummary:
    """A recipe of this package or of a plugin."""

    name: str
    about: str  # its first line
    preset: str
    input: tuple[int, int]  # height, width
    num_boxes: int
    parameters: int  # with VOC's 20 classes
    path: Path


def list_recipes() -> list[RecipeSummary]:
    """List all recipes, with boxes and parameters for VOC's 20 classes."""
    known = json.loads(SIZES.read_text(encoding="utf-8"))
    summaries = []
    for name, path in recipe_files().items():
        size = RecipeSize.from_json(known[name]) if name in known else compute_size(name)
        summaries.append(
            RecipeSummary(
                name=name,
                about=first_line(path),
                preset=size.preset,
                input=size.input,
                num_boxes=size.num_boxes,
                parameters=size.parameters,
                path=path,
            )
        )
    return summaries


def compute_size(recipe: str) -> RecipeSize:
    """Build a recipe's detector without memory for its weights, and count."""
    import torch

    from singleshot.families import build_detector

    content = load_recipe(recipe)
    with torch.device("meta"):
        names = [f"class {index + 1}" for index in range(NUM_CLASSES)]
        detector = build_detector(content.model, names, pretrained=False)
    parameters = sum(parameter.numel() for parameter in detector.parameters())
    return RecipeSize(content.model.input, content.preset, detector.num_boxes, parameters)


def first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def write_sizes() -> None:
    """Write the sizes of the shipped recipes, those beside `recipes/load.py`."""
    folder = Path(str(resources.files("singleshot.recipes")))
    shipped = [name for name, path in recipe_files().items() if path.parent == folder]
    lines = [f'  "{name}": {json.dumps(asdict(compute_size(name)))}' for name in shipped]
    SIZES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    write_sizes()
