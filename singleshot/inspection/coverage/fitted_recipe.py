"""The recipe with fitted priors: a TOML file that begins from the given recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from singleshot.detectors.common.priors import Shape
from singleshot.files import write_atomically
from singleshot.inspection.coverage.options import CoverageOptions
from singleshot.inspection.coverage.result import Gain, Overlap, PriorFit
from singleshot.recipes.load import load_recipe, recipe_files
from singleshot.recipes.schema import Recipe
from singleshot.recipes.toml import to_toml, toml_value

__all__ = ["FittedRecipe", "prior_keys"]


@dataclass(frozen=True)
class FittedRecipe:
    """A recipe that priors are fitted for, and the file that it is written to."""

    source: str  # name or path of the recipe
    overrides: Mapping[str, object]
    path: Path
    options: CoverageOptions

    def with_values(self, values: Mapping[str, object]) -> Recipe:
        """Load the recipe with other values; RecipeError where they are impossible."""
        return load_recipe(self.source, {**self.overrides, **values})

    def with_shapes(self, recipe: Recipe, shapes: Sequence[Sequence[Shape]]) -> Recipe:
        """Load the recipe with the input of `recipe`, and shapes in pixels of it."""
        keys = prior_keys(recipe, shapes).items()
        own = {"model.input": list(recipe.model.input)}
        return self.with_values({**own, **{f"model.{key}": value for key, value in keys}})

    def write(self, recipe: Recipe, fit: PriorFit, *, with_input: bool) -> None:
        """Write the TOML file.

        It is based on a shipped recipe by its name. Any other recipe, or one with overrides, is
        written out, so that the file does not depend on another one's place.
        """
        shipped = self.source in recipe_files() and not self.overrides
        body = self._based_on(recipe, fit, with_input=with_input) if shipped else to_toml(recipe)
        text = "\n".join([*self._comment(fit), "", body.rstrip("\n"), ""])
        with write_atomically(self.path) as beside:
            beside.write_text(text, encoding="utf-8")

    def _comment(self, fit: PriorFit) -> Iterator[str]:
        """Write the command, and what it gained."""
        yield f"# {self.source} with priors fitted to {fit.gains[0].data}."
        yield f"#   {self.options.to_command('data coverage', self.source)}"
        yield "# Recall of objects at IoU 0.5, and mean best IoU of a prior, before and after:"
        for gain in fit.gains:
            yield f"#   {gain.data}: {_describe(gain)}"

    def _based_on(self, recipe: Recipe, fit: PriorFit, *, with_input: bool) -> str:
        """Write the keys that differ from the shipped recipe."""
        lines = [f"based_on = {toml_value(self.source)}"]
        if with_input:
            lines += ["", "[model]", f"input = {toml_value(list(recipe.model.input))}"]
        lines += list(_prior_lines(recipe, fit))
        return "\n".join(lines)


def prior_keys(recipe: Recipe, shapes: Sequence[Sequence[Shape]]) -> Mapping[str, object]:
    """Return the keys of `model` for shapes (width, height) in pixels of the recipe's input."""
    height, width = recipe.model.input
    unit = [[(round(w / width, 5), round(h / height, 5)) for w, h in level] for level in shapes]
    keys = recipe.model.with_prior_shapes(unit)
    assert keys is not None
    return keys


def _prior_lines(recipe: Recipe, fit: PriorFit) -> Iterator[str]:
    """Write the keys of the priors, each level on a line of its own with its grid."""
    table = ""
    for key, value in prior_keys(recipe, fit.shapes).items():
        name, _, last = key.rpartition(".")
        if name != table:
            table = name
            yield from ("", f"[model.{name}]")
        if not isinstance(value, list) or len(value) != len(fit.coverage.levels):
            yield f"{last} = {toml_value(value)}"
            continue
        yield f"{last} = ["
        for level, shapes in zip(fit.coverage.levels, value, strict=True):
            yield f"    {toml_value(shapes)},  # {level.grid[0]} x {level.grid[1]}"
        yield "]"


def _describe(gain: Gain) -> str:
    """Write recall and mean best IoU before and after."""
    return f"{_numbers(gain.before)} -> {_numbers(gain.after)} ({gain.after.objects:,} objects)"


def _numbers(overlap: Overlap) -> str:
    if overlap.recall is None or overlap.mean_best_iou is None:
        return "no objects"
    return f"{overlap.recall:.3f} and {overlap.mean_best_iou:.3f}"
