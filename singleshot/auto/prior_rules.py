"""Rules for the sizes and aspect ratios of the priors."""

from __future__ import annotations

import math

from singleshot.auto import constants
from singleshot.auto.choice import RecipeChoice
from singleshot.auto.task import Task

__all__ = ["choose_priors"]


def choose_priors(task: Task, input: tuple[int, int], strides: list[int]) -> list[RecipeChoice]:
    """Choose sizes from the smallest objects on, and aspect ratios for long ones.

    Fitting every shape to the objects covers more of them and finds no more
    (benchmarks/results/prior-fit.md), so that only what priors miss is changed.
    """
    levels = len(strides) + 3
    return [_choose_sizes(task, input, strides), _choose_ratios(task, input, levels)]


def _choose_sizes(task: Task, input: tuple[int, int], strides: list[int]) -> RecipeChoice:
    side = math.sqrt(input[0] * input[1])
    smallest = task.facts.side_at(constants.SMALLEST_PART)
    least = max(constants.SMALLEST_PRIOR, constants.LEAST_PRIOR_STRIDES * strides[0] / side)
    usual = constants.PRIOR_SIZES[0]
    num_finer = len(strides) - 3  # levels below the recipe's
    first = max(min(constants.FIRST_PRIOR * smallest, usual), least)
    factor = first * 2**num_finer / usual  # of the recipe's first size
    sizes = [first * 2**level for level in range(num_finer)]
    for size, part in zip(constants.PRIOR_SIZES, constants.FOLLOWING, strict=True):
        sizes.append(size * min(factor, 1.0) ** part)
    # The recipe has fractions of the shorter side; these are of √(height · width).
    values = [round(size * side / min(input), 3) for size in sizes]
    pixels = ", ".join(f"{size * side:.0f}" for size in sizes)
    small = f"a twentieth of the objects is below {smallest * side:.0f} pixels"
    if first < usual:
        reason = f"{small}, so that priors begin at {first * side:.0f}: {pixels}"
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
