"""Models and recipes that a benchmark times, found without importing PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from singleshot.errors import SingleshotError
from singleshot.files import distinct_names
from singleshot.models.locating import require_model
from singleshot.recipes.load import load_recipe, recipe_files

__all__ = ["Subject", "find_subjects"]


@dataclass(frozen=True)
class Subject:
    """A model by the name it has in the benchmark, or a recipe, whose weights are random."""

    name: str
    given: str
    is_recipe: bool


def find_subjects(models: Sequence[str | Path]) -> list[Subject]:
    """Find models and recipes, and give each a name of its own.

    Raises ModelError for what is neither, and SingleshotError for one that is given twice.
    """
    if not models:
        raise SingleshotError("name at least one model, or a recipe")
    given = [str(model) for model in models]
    for index, model in enumerate(given):
        if model in given[:index]:
            raise SingleshotError(f"{model} is given twice; name each once")
        (load_recipe if _is_recipe(model) else require_model)(model)
    names = distinct_names([Path(model) for model in given])
    return [
        Subject(name, model, _is_recipe(model)) for name, model in zip(names, given, strict=True)
    ]


def _is_recipe(model: str) -> bool:
    """Recognise a recipe by its name or suffix; a run or a file of the same name is none."""
    path = Path(model)
    return path.suffix == ".toml" if path.exists() else model in recipe_files()
