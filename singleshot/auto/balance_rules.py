"""Rules for how often images of rare classes are drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping

from singleshot.auto import constants
from singleshot.auto.choice import RecipeChoice
from singleshot.auto.facts import DataFacts
from singleshot.auto.task import Task

__all__ = ["choose_repeats"]


def choose_repeats(task: Task) -> list[RecipeChoice]:
    """Draw images of rare classes more often, where classes are unbalanced or most images empty.

    The threshold lies between the shares of the middle class and of the most frequent one, or of
    the images without objects where these are more.
    """
    facts, key = task.facts, "training.repeat_threshold"
    numbers = {name: number for name, number in facts.images_per_class.items() if number}
    if not numbers:
        return []
    rarest, frequent = min(numbers, key=numbers.__getitem__), max(numbers, key=numbers.__getitem__)
    most = max(numbers[frequent], facts.num_empty)
    what = _describe_balance(facts, numbers, rarest, frequent)
    if numbers[rarest] >= constants.UNBALANCED * most:
        reason = f"{what}: all images are drawn equally often"
        return [RecipeChoice(key, 0.0, reason)] if len(numbers) > 1 else []
    between = math.sqrt(facts.images_of_middle_class * most)
    least = [one for one in numbers.values() if one >= constants.LEAST_REPEATED_IMAGES]
    highest = constants.MOST_REPEATED**2 * min(least, default=numbers[rarest])
    threshold = min(float(f"{min(between, highest) / facts.num_images:.2g}"), 1.0)
    times = math.sqrt(threshold * facts.num_images / numbers[rarest])
    of = f"of rare classes are drawn more often, those of {rarest}"
    if len(numbers) == 1:
        of = f"of {rarest} are drawn"
    return [RecipeChoice(key, threshold, f"{what}: images {of} {times:.1f} times")]


def _describe_balance(
    facts: DataFacts, numbers: Mapping[str, int], rarest: str, frequent: str
) -> str:
    """Describe how many images have an object of the rarest class and of the most frequent one."""
    of_images = f"of {facts.num_images:,} images"
    if len(numbers) == 1:
        what = f"{rarest} is in {numbers[rarest]:,} {of_images}"
    elif numbers[rarest] == numbers[frequent]:
        what = f"each of {len(numbers)} classes is in {numbers[frequent]:,} {of_images}"
    else:
        what = f"{rarest} is in {numbers[rarest]:,} {of_images}, {frequent} in "
        what += f"{numbers[frequent]:,}"
    empty = facts.num_empty > numbers[frequent]
    return f"{what}, {facts.num_empty:,} have no object" if empty else what
