"""Choose a recipe: apply the rules in the order in which they depend on each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from singleshot.auto import constants
from singleshot.auto.augmentation_rules import choose_augmentation
from singleshot.auto.balance_rules import choose_repeats
from singleshot.auto.choice import RecipeChoice
from singleshot.auto.chosen_recipe import ChosenRecipe
from singleshot.auto.limits import Limits, MeasurementSetup, build_to_measure
from singleshot.auto.prior_rules import choose_priors, keep_prior_sizes
from singleshot.auto.result_rules import choose_most_results, choose_nms
from singleshot.auto.schedule_rules import (
    choose_averaging,
    choose_backbone_rate,
    choose_batch,
    choose_epochs,
    choose_optimizer,
    choose_rate,
)
from singleshot.auto.shape_rules import choose_cache_side, choose_input, choose_levels
from singleshot.auto.task import Task
from singleshot.auto.validation_rules import choose_validation_images, choose_validations
from singleshot.backbones.settings import BackboneSettings, ClassifierSettings
from singleshot.errors import SingleshotError
from singleshot.models.summary import count_macs
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe

__all__ = ["choose_recipe"]

PRIOR_SHAPES = ("sizes_unit", "aspect_ratios", "shapes_unit")
OF_LEVELS = ("strides", "first_centres")  # other keys with a value for each level


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
    if task.start is None and task.seconds is not None:  # only then does the cost decide
        like_base = ChosenRecipe.of(base, _apply_rules(task, plain))
        task = replace(task, relative_macs=_relative_macs(like_base.recipe, setup.class_names))
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


def _relative_macs(recipe: Recipe, class_names: Sequence[str]) -> float:
    """Count the multiply-adds of a pixel, as a multiple of the base recipe's.

    Other ones are those of a given network, or of heads for many classes.
    """
    height, width = recipe.model.input
    of_pixel = count_macs(build_to_measure(recipe.model, class_names)) / (height * width)
    relative = of_pixel * constants.REFERENCE_PIXELS / constants.BASE_MACS
    return 1.0 if 1 / constants.SAME_COST < relative < constants.SAME_COST else relative


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

    def add_unless_given(self, choices: list[RecipeChoice]) -> None:
        """Add choices that belong together, unless one of their keys is given."""
        if not any(self.task.is_given(choice.key) for choice in choices):
            self.choices.extend(choices)


def _apply_rules(task: Task, plain: Recipe) -> list[RecipeChoice]:
    """Choose one key after the other; each may depend on those before."""
    rules = _Rules(task, plain, [])
    size = _size(rules)
    for choice in choose_cache_side(task, size):
        rules.add(choice)
    fine = _choose_network(rules, size) if task.chooses_network else False
    if not _gives_priors(task):
        rules.choices.extend(keep_prior_sizes(task, size))
    rules.add_unless_given(choose_nms(task))
    rules.add_unless_given(choose_most_results(task, plain.model.results))
    num_steps = _choose_schedule(rules, size, fine=fine)
    for choice in choose_augmentation(task, size, num_steps):
        rules.add(choice)
    named = {choice.key for choice in rules.choices}
    others = [
        RecipeChoice.of_user(key, value) for key, value in task.given.items() if key not in named
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
    elif any(task.is_given(f"model.priors.{key}") for key in (*PRIOR_SHAPES, *OF_LEVELS)):
        strides = list(constants.BASE_STRIDES)  # what is given is for the levels of the base
    else:
        levels, strides = choose_levels(task, size)
        rules.add(levels)
    if not _gives_priors(task):
        rules.choices.extend(choose_priors(task, size, strides))
    return strides[0] <= constants.FINE_STRIDE


def _gives_priors(task: Task) -> bool:
    """Return whether shapes of priors are given; all of them are then."""
    return any(task.is_given(f"model.priors.{key}") for key in PRIOR_SHAPES)


def _given_strides(backbone: BackboneSettings) -> list[int]:
    """Return the strides of a given backbone's levels; layers are taken for the coarsest ones."""
    if isinstance(backbone, ClassifierSettings) and backbone.nodes:
        return [constants.FINE_STRIDE, *constants.BASE_STRIDES][-len(backbone.nodes) :]
    return list(getattr(backbone, "strides", constants.BASE_STRIDES))


def _choose_schedule(rules: _Rules, size: tuple[int, int], *, fine: bool) -> int:
    """Choose batch, rate, epochs and what depends on them; returns the number of steps."""
    task, training = rules.task, rules.plain.training
    num_images = task.facts.num_images
    choice = choose_batch(task, size)
    # With "auto", what the recipe has is the reference that the rate is scaled from.
    batch = training.batch_size if rules.add(choice).is_given else choice.value
    assert isinstance(batch, int)
    for choice in (
        *choose_optimizer(task),
        *choose_rate(task, batch),
        *choose_backbone_rate(task, has_weights=_has_weights(rules.plain)),
    ):
        rules.add(choice)
    cost = task.cost(size[0] * size[1], fine=fine)
    num_steps = training.steps if task.is_given("training.steps") else None
    if num_steps is None:
        choice = choose_epochs(task, batch, cost)
        epochs = training.epochs if rules.add(choice).is_given else choice.value
        assert isinstance(epochs, int | float)
        num_steps = max(round(epochs * num_images / batch), 1)
    # What fits into a time budget takes the place of both.
    num_steps = task.steps_in_time(batch, cost) or num_steps
    validated: object = training.validation_images
    for choice in choose_validation_images(task, cost):
        validated = validated if rules.add(choice).is_given else choice.value
    assert isinstance(validated, int)
    rules.add(choose_validations(task, num_steps * batch / num_images, validated))
    for choice in (*choose_repeats(task), *choose_averaging(task, num_steps, training)):
        rules.add(choice)
    return num_steps


def _has_weights(recipe: Recipe) -> bool:
    """Return whether the backbone begins with trained weights."""
    return getattr(getattr(recipe.model, "backbone", None), "weights", "none") != "none"
