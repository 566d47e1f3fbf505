"""Rules for augmentation: how strong it is, and whether images are flipped."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from singleshot.auto import constants
from singleshot.auto.choice import RecipeChoice
from singleshot.auto.task import Task

__all__ = ["choose_augmentation"]

BETWEEN_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\W]")  # turnLeft, left_hand
SIDED = re.compile(r"\b(left|right)\b", re.IGNORECASE)


def choose_augmentation(task: Task, input: tuple[int, int], epochs: float) -> list[RecipeChoice]:
    """Choose expansion and crops by the length of the training, flips by the names of classes.

    A start from a detector has expansion and crops of its own, in its recipe's tables.
    """
    flip = _choose_flip(task.facts.class_counts)
    if task.start is not None and task.start.has_tables:
        return [flip]
    return [*_choose_scales(task, input, epochs), flip]


def _choose_scales(task: Task, input: tuple[int, int], epochs: float) -> list[RecipeChoice]:
    side = math.sqrt(input[0] * input[1])
    small = task.facts.side_at(constants.SMALL_PART) * side
    short = epochs < constants.SHORT_EPOCHS
    crops = constants.SHORT_CROPS if short else constants.FULL_CROPS
    what = "are few: half of the images stay whole" if short else "allow crops of every image"
    count = f"{epochs:.0f} epochs" if epochs >= 1.5 else "one epoch or less"
    cropped = RecipeChoice("augmentation.crop.probability", crops, f"{count} {what}")
    tiny = small < constants.TINY_OBJECT_SIDE
    largest = constants.SHORT_EXPANSION if short or tiny else constants.FULL_EXPANSION
    part = constants.TINY_EXPANSION_PART if tiny else constants.EXPANSION_PART
    size = f"with a tenth of the objects below {small:.0f} pixels"
    if tiny:
        why = f"{size}, most expansion would make them vanish"
    elif short:
        why = f"{size}, they are made up to {largest:g} times smaller; more for longer trainings"
    else:
        why = f"{size}, they can be made up to {largest:g} times smaller (the paper's)"
    return [
        cropped,
        RecipeChoice("augmentation.expand.probability", part, why),
        RecipeChoice("augmentation.expand.up_to", largest, "sides of the image at most, see above"),
    ]


def _choose_flip(class_names: Iterable[str]) -> RecipeChoice:
    """Leave out flips where classes are characters, or differ by left and right."""
    names = [name.strip() for name in class_names]
    characters = [name for name in names if len(name) == 1 and name.isalnum()]
    sided = [name for name in names if SIDED.search(BETWEEN_WORDS.sub(" ", name))]
    found = sided or sorted(characters)
    if not found:
        reason = "no class is a letter, a digit, or named left or right"
        return RecipeChoice("augmentation.flip", 0.5, reason)
    what = f"{found[0]!r} and {found[1]!r}" if len(found) > 1 else repr(found[0])
    reason = f"classes such as {what} are no longer themselves when an image is flipped"
    return RecipeChoice("augmentation.flip", 0.0, reason)
