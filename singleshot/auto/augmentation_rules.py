"""Rules for augmentation: how strong it is, and whether images are flipped."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from singleshot.auto import constants
from singleshot.auto.choice import RecipeChoice
from singleshot.auto.task import Task

__all__ = ["choose_augmentation"]

# As in turnLeft, left2 and left_hand.
BETWEEN_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|[_\W]")
SIDED = re.compile(r"\b(left|right)\b", re.IGNORECASE)


def choose_augmentation(task: Task, input: tuple[int, int], num_steps: int) -> list[RecipeChoice]:
    """Choose expansion and crops by the length of the training, flips by the names of classes.

    A start from a detector has expansion and crops of its own, in its recipe's tables, and keeps
    its flips where no name is against them.
    """
    flip = _choose_flip(task.facts.objects_per_class)
    if task.start is None:
        return [*_choose_scales(task, input, num_steps), flip]
    scales = [] if task.start.has_tables else _choose_scales(task, input, num_steps)
    return scales if flip.value else [*scales, flip]


def _choose_scales(task: Task, input: tuple[int, int], num_steps: int) -> list[RecipeChoice]:
    side = math.sqrt(input[0] * input[1])
    small = task.facts.side_at(constants.SMALL_PART) * side
    short, tiny = num_steps < constants.SHORT_STEPS, small < constants.TINY_OBJECT_SIDE
    if short:
        crops, what = constants.SHORT_CROPS, "are few: half of the images stay whole"
    else:
        crops, what = constants.FULL_CROPS, "are enough to learn from crops of every image"
    largest = constants.SHORT_EXPANSION if short or tiny else constants.FULL_EXPANSION
    if tiny:
        why = (
            f"a tenth of the objects is below {small:.0f} pixels, and would vanish if made smaller"
        )
    elif short:
        why = "objects are made up to 2 times smaller; up to 4 times in longer trainings"
    else:
        why = "objects are made up to 4 times smaller, as in the paper"
    return [
        RecipeChoice("augmentation.crop.probability", crops, f"{num_steps:,} steps {what}"),
        RecipeChoice("augmentation.expand.up_to", largest, why),
    ]


def _choose_flip(class_names: Iterable[str]) -> RecipeChoice:
    """Leave out flips where classes are characters, or differ by left and right.

    The only class of a data set may be a digit because it has no name.
    """
    names = [name.strip() for name in class_names]
    characters = [name for name in names if len(name) == 1 and name.isalnum() and len(names) > 1]
    sided = [name for name in names if SIDED.search(BETWEEN_WORDS.sub(" ", name))]
    found = sided or sorted(characters)
    if not found:
        reason = "no class is a letter, a digit, or named left or right"
        return RecipeChoice("augmentation.flip", 0.5, reason)
    what = f"{found[0]!r} and {found[1]!r}" if len(found) > 1 else repr(found[0])
    reason = f"classes such as {what} are no longer themselves when an image is flipped"
    if not sided and all(name.isdigit() for name in characters):
        reason += "; if they are numbers of other things, --set augmentation.flip=0.5"
    return RecipeChoice("augmentation.flip", 0.0, reason)
