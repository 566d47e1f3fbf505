"""Choose a recipe: apply the rules in the order in which they depend on each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from singleshot.auto import constants
from singleshot.auto.augmentation_rules import choose_augmentation
from singleshot.auto.choice import GIVEN, RecipeChoice
from singleshot.auto.chosen_recipe import ChosenRecipe
from singleshot.auto.limits import Limits, MeasurementSetup
from singleshot.auto.prior_rules import choose_priors
from singleshot.auto.result_rules import choose_nms
from singleshot.auto.schedule_rules import (
    choose_averaging,
    choose_backbone_rate,
    choose_batch,
    choose_epochs,
    choose_optimizer,
    choose_rate,
    choose_repeats,
    choose_validations,
)
from singleshot.auto.shape_rules import choose_cache_side, choose_input, choose_levels
from singleshot.auto.task import Task
from singleshot.backbones.settings import BackboneSettings, ClassifierSettings
from singleshot.errors import SingleshotError
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe

__all__ = ["choose_recipe"]


def choose_recipe(
    task: Task, base: Mapping[str, Any], limits: Limits, setup: MeasurementSetup
) -> ChosenRecipe:
    """Choose a recipe for a task, within limits.

    The same task gives the same recipe, unless a limit of time has to be measured.

    Args:
        task: data, machine, time, start, and the values that are given.
        base: content of the recipe that is changed.
        limits: of the detector.
        setup: what it is measured on, where there is a limit.

    Raises:
        RecipeError: a value that is given is impossible.
        SingleshotError: no input keeps the limits.
    """
    plain = load_recipe(base, task.given)
    for _ in range(constants.MOST_TRIES):
        chosen = ChosenRecipe.of(base, _apply_rules(task, plain), task.describe())
        excess = limits.excess(chosen.recipe.model, setup)
        if excess is None:
            return chosen
        height, width = chosen.recipe.model.input
        what = f"{excess.limit}: with an input of {height} x {width} it is {excess.value}"
        if task.is_given("model.input"):
            raise SingleshotError(f"{what}; leave out --input, or give a smaller one")
        smaller = height * width * constants.SHRINK / excess.factor
        task = replace(task, most_pixels=smaller, limited_by=excess.limit)
        if smaller < constants.SMALLEST_LIMITED_PIXELS:
            break
    raise SingleshotError(f"{what}, and no smaller input keeps it; allow more")


@dataclass
class _Rules:
    """The rules of one task, and what they have chosen so far."""

    task: Task
    plain: Recipe  # the base with what is given
    choices: list[RecipeChoice]

    def add(self, choice: RecipeChoice) -> RecipeChoice:
        """Add a choice, or what is given in its place."""
        final = self.task.settle(choice)
        self.choices.append(final)
        return final

    def add_unless_given(self, table: str, choices: list[RecipeChoice]) -> None:
        """Add choices of keys of a table, unless one of them is given: they belong together."""
        if not self.task.is_given(table):
            self.choices.extend(choices)


def _apply_rules(task: Task, plain: Recipe) -> list[RecipeChoice]:
    """Choose one key after the other; each may depend on those before."""
    rules = _Rules(task, plain, [])
    size = _size(rules)
    for choice in choose_cache_side(task, size):
        rules.add(choice)
    fine = _choose_network(rules, size) if task.chooses_network else False
    rules.add_unless_given("model.results", choose_nms(task))
    num_steps = _choose_schedule(rules, size, fine=fine)
    for choice in choose_augmentation(task, size, num_steps):
        rules.add(choice)
    named = {choice.key for choice in rules.choices}
    others = [
        RecipeChoice(key, value, GIVEN) for key, value in task.given.items() if key not in named
    ]
    return [*rules.choices, *others]


def _size(rules: _Rules) -> tuple[int, int]:
    """Choose the input, or take the given one."""
    choice = rules.add(choose_input(rules.task))
    if choice.is_given:
        return rules.plain.model.input
    assert isinstance(choice.value, list)
    height, width = choice.value
    return height, width


def _choose_network(rules: _Rules, size: tuple[int, int]) -> bool:
    """Choose levels and priors of the base's pyramid; returns whether one is fine."""
    task = rules.task
    if task.is_given("model.kind") or task.is_given("model.pyramid"):
        return False
    if any(task.is_given(f"model.backbone.{key}") for key in ("kind", "nodes", "strides")):
        strides = _given_strides(rules.plain.model.backbone)
    else:
        levels, strides = choose_levels(task, size)
        rules.add(levels)
    rules.add_unless_given("model.priors", choose_priors(task, size, strides))
    return strides[0] <= constants.FINE_STRIDE


def _given_strides(backbone: BackboneSettings) -> list[int]:
    """Return the strides of a given backbone's levels; layers are taken for the coarsest ones."""
    if isinstance(backbone, ClassifierSettings) and backbone.nodes:
        return [constants.FINE_STRIDE, *constants.BASE_STRIDES][-len(backbone.nodes) :]
    return list(getattr(backbone, "strides", constants.BASE_STRIDES))


def _choose_schedule(rules: _Rules, size: tuple[int, int], *, fine: bool) -> int:
    """Choose batch, rate, epochs and what depends on them; returns the number of steps."""
    task, training = rules.task, rules.plain.training
    batch_choice = choose_batch(task, size)
    given_batch = rules.add(batch_choice).is_given and not training.largest_batch
    batch = training.batch_size if given_batch else int(str(batch_choice.value))
    for choice in (
        *choose_optimizer(task),
        *choose_rate(task, batch),
        *choose_backbone_rate(task),
    ):
        rules.add(choice)
    if task.is_given("training.steps"):
        epochs = (training.steps or 0) * batch / task.facts.num_images
    else:
        cost = task.cost(size[0] * size[1], fine=fine)
        choice = choose_epochs(task, batch, cost)
        given = rules.add(choice).is_given
        epochs = float(training.epochs or 0) if given else float(str(choice.value))
    rules.add(choose_validations(task, epochs))
    num_steps = max(round(epochs * task.facts.num_images / batch), 1)
    averaging = choose_averaging(num_steps) if task.start is None else []
    for choice in (*choose_repeats(task), *averaging):
        rules.add(choice)
    return num_steps
