"""Rules for validations: how often, and on how many images."""

from __future__ import annotations

import math

from singleshot.auto import constants
from singleshot.auto.choice import RecipeChoice
from singleshot.auto.task import Task

__all__ = ["choose_validation_images", "choose_validations"]


def choose_validations(task: Task, epochs: float, num_images: int = 0) -> RecipeChoice:
    """Choose the epochs between validations; the reason has how uncertain they are.

    `num_images` are validated on, 0: all.
    """
    facts, key = task.facts, "training.validate_every"
    every = max(round(epochs / constants.NUM_VALIDATIONS), 1)
    times = math.ceil(epochs / every)
    if not facts.num_validation:
        return RecipeChoice(key, every, "not used: there are no validation images")
    number = f"{times} validations" if times > 1 else "one validation"
    images = min(num_images or facts.num_validation, facts.num_validation)
    objects = round(facts.num_validation_objects * images / facts.num_validation)
    reason = f"{number} on {images:,} images{_describe_uncertainty(images, objects)}"
    return RecipeChoice(key, every, reason)


def _describe_uncertainty(images: int, objects: int) -> str:
    """Describe how uncertain a measurement on few images is."""
    few_objects = objects < constants.FEW_VALIDATION_OBJECTS
    if not (few_objects or images < constants.FEW_VALIDATION_IMAGES):
        return ""
    spread = constants.UNCERTAIN_AT * (1 - constants.UNCERTAIN_AT)
    error = 1.96 * math.sqrt(spread / max(objects, 1))
    return (
        f" with {objects:,} objects: so few that an AP50 of {constants.UNCERTAIN_AT:g} on them is "
        f"uncertain by {error:.2f} at least; evaluate on other images"
    )


def choose_validation_images(task: Task, cost: float) -> list[RecipeChoice]:
    """Choose how many images are validated on, where all would take much of the time budget.

    `cost` is that of an image, 1 for the base recipe's.
    """
    if task.seconds is None:
        return []
    detection = constants.DETECTION_SECONDS * cost * task.machine.step_seconds(1, 1.0)
    detection /= constants.CPU_SECONDS
    of_image = constants.FEWEST_VALIDATIONS * detection + constants.REPORT_SECONDS
    most = int(constants.VALIDATED_PART * task.seconds / of_image)
    if task.facts.num_validation <= most:
        return []
    number = max(int(float(f"{most:.2g}")), 1)
    reason = (
        f"{constants.FEWEST_VALIDATIONS} validations on all {task.facts.num_validation:,} would "
        f"take more than a fifth of {task.time}; evaluate on all of them afterwards"
    )
    return [RecipeChoice("training.validation_images", number, reason)]
