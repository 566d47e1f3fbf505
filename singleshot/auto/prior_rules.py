"""Rules for the sizes and aspect ratios of the priors."""

from __future__ import annotations

import math

from singleshot.auto import constants
from singleshot.auto.choice import RecipeChoice
from singleshot.auto.task import Task

__all__ = ["choose_priors", "keep_prior_sizes"]


def choose_priors(task: Task, input: tuple[int, int], strides: list[int]) -> list[RecipeChoice]:
    """Choose sizes from the smallest objects on, and aspect ratios for long ones.

    Fitting every shape to the objects covers more of them and finds no more
    (benchmarks/results/prior-fit.md), so that only what priors miss is changed.
    """
    levels = len(strides) + constants.EXTRA_LEVELS
    return [_choose_sizes(task, input, strides), _choose_ratios(task, input, levels)]


def keep_prior_sizes(task: Task, input: tuple[int, int]) -> list[RecipeChoice]:
    """Keep the size of a start's priors against the whole input where its shape is another.

    The recipe has them as fractions of the shorter side; here they stay fractions of √area.
    """
    if task.start is None or task.start.has_base_levels or not task.start.like_base:
        return []
    priors, own = getattr(task.start.model, "priors", None), task.start.model.input
    factor = _longer_side(input) / _longer_side(own)
    sizes = getattr(priors, "sizes_unit", ())
    if not sizes or abs(factor - 1) < constants.SAME_PRIOR_SIZES:
        return []
    reason = f"as large in an input of this shape as in the start's {own[0]} x {own[1]}"
    values = [round(size * factor, 3) for size in sizes]
    return [RecipeChoice("model.priors.sizes_unit", values, reason)]


def _longer_side(input: tuple[int, int]) -> float:
    """Compute √area as a multiple of the shorter side."""
    return math.sqrt(input[0] * input[1]) / min(input)


def _choose_sizes(task: Task, input: tuple[int, int], strides: list[int]) -> RecipeChoice:
    side = math.sqrt(input[0] * input[1])
    smallest = task.facts.side_at(constants.SMALLEST_PART)
    least = max(constants.SMALLEST_PRIOR, constants.LEAST_PRIOR_STRIDES * strides[0] / side)
    # Levels below the recipe's; fewer than 0 where its first ones are left out.
    num_finer = round(math.log2(constants.BASE_STRIDES[0] / strides[0]))
    usual = constants.PRIOR_SIZES[0] / 2**num_finer
    first = max(min(constants.FIRST_PRIOR * smallest, usual), least)
    factor = min(first / usual, 1.0)
    sizes = [usual * factor * 2**level for level in range(num_finer)]
    for size, part in zip(constants.PRIOR_SIZES, constants.FOLLOWING, strict=True):
        sizes.append(size * factor**part)
    sizes = sizes[max(-num_finer, 0) :][: len(strides) + constants.EXTRA_LEVELS + 1]
    # The recipe has fractions of the shorter side; these are of √(height · width).
    values = [round(size * side / min(input), 3) for size in sizes]
    pixels = ", ".join(f"{size * side:.0f}" for size in sizes)
    small = f"a twentieth of the objects is below {smallest * side:.0f} pixels"
    if sizes[0] < usual:
        reason = f"{small}, so that priors begin at {sizes[0] * side:.0f}: {pixels}"
    else:
        reason = f"{small}, where the recipe's priors are small enough: {pixels}"
    return RecipeChoice("model.priors.sizes_unit", values, reason)


def _choose_ratios(task: Task, input: tuple[int, int], levels: int) -> RecipeChoice:
    long, very_long = (
        task.facts.part_longer(ratio, input)
        for ratio in (constants.LONG_OBJECT, constants.VERY_LONG_OBJECT)
    )
    first: list[int] = [2]
    rest: list[int] = [2, 3]
    if long >= constants.LONG_PART:
        first = [2, 3]
    if very_long >= constants.VERY_LONG_PART:
        first, rest = [*first, 5], [2, 3, 5]
    what = (
        f"in the input {long:.0%} of the objects are longer than {constants.LONG_OBJECT:g} : 1, "
        f"{very_long:.0%} longer than {constants.VERY_LONG_OBJECT:g} : 1"
    )
    changed = first != [2] or rest != [2, 3]
    verdict = "longer priors are added" if changed else "the recipe's ratios will do"
    return RecipeChoice(
        "model.priors.aspect_ratios", [first, *([rest] * (levels - 1))], f"{what}: {verdict}"
    )
