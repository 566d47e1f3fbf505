"""Rules for the batch, the learning rate, the number of epochs and the average of weights."""

from __future__ import annotations

import math
from dataclasses import replace

from singleshot.auto import constants
from singleshot.auto.choice import RecipeChoice
from singleshot.auto.task import LearningRate, Task
from singleshot.recipes.training import (
    OptimizerName,
    TrainingSettings,
    describe_scaling,
    scale_rate,
)

__all__ = [
    "choose_averaging",
    "choose_backbone_rate",
    "choose_batch",
    "choose_epochs",
    "choose_optimizer",
    "choose_rate",
]


_NAMES: dict[OptimizerName, str] = {"adamw": "AdamW", "sgd": "SGD"}
_NEW_CLASSES = "fine_tuning.training"  # the table for a start that does not know all classes


def choose_batch(task: Task, input: tuple[int, int]) -> RecipeChoice:
    """Choose the images of a step."""
    key, num_images = "training.batch_size", task.facts.num_images
    least = 2 * task.machine.processes  # batch norm needs two in each
    if task.machine.device == "gpu":
        number = constants.GPU_BATCH * task.machine.processes
        least = max(constants.CPU_BATCH, least)
        while number > least and num_images < number * constants.LEAST_STEPS_AN_EPOCH:
            number //= 2
        reason = f"{constants.GPU_BATCH} keep a GPU busy; {num_images:,} images an epoch on "
        return RecipeChoice(key, max(number, least), f"{reason}{task.machine}")
    pixels = input[0] * input[1]
    if task.start is None and pixels < constants.SHORT_STEP_PIXELS:
        reason = f"steps of {pixels:,} pixels are short; fewer images would spend them on overhead"
        return RecipeChoice(key, max(min(constants.SHORT_STEP_BATCH, num_images), least), reason)
    number = max(min(constants.CPU_BATCH, num_images), least)
    return RecipeChoice(
        key, number, "on a processor larger batches are no faster and give fewer steps"
    )


def choose_optimizer(task: Task) -> list[RecipeChoice]:
    """Choose the optimizer and its weight decay.

    A start from a detector has its own, unless it is small and learns new classes.
    """
    if task.start is None:
        optimizer = _optimizer(task)
        _, decay = constants.BASE_RATES[optimizer]
        return [
            RecipeChoice("training.optimizer", optimizer, "learns more in few steps than SGD"),
            RecipeChoice("training.weight_decay", decay, f"usual for {_NAMES[optimizer]}"),
        ]
    if not _has_new_rate(task):
        return []
    _, decay = constants.START_RATES
    reason = "learns new classes in fewer steps than SGD"
    return [
        RecipeChoice(f"{_NEW_CLASSES}.optimizer", "adamw", reason),
        RecipeChoice(f"{_NEW_CLASSES}.weight_decay", decay, "usual for AdamW"),
    ]


def choose_backbone_rate(task: Task, *, has_weights: bool) -> list[RecipeChoice]:
    """Choose the rate of the backbone as a part of that of the other layers, unless it is equal.

    It is lower where the backbone knows more than the images can show: that of a detector, and
    that of ImageNet where objects are as large as in its images, and few images have one of the
    middle class. `has_weights` is whether it begins with those of ImageNet.
    """
    key = "training.backbone_learning_rate"
    if task.start is not None:
        if not task.start.has_base_levels:
            return []
        reason = "times the rate: the backbone is trained, levels and heads are new"
        return [RecipeChoice(key, constants.TRAINED_BACKBONE_RATE, reason)]
    facts, side, number = task.facts, task.facts.side_at(0.5), task.facts.images_of_middle_class
    as_measured = has_weights and _optimizer(task) == "adamw"
    if side < constants.LARGE_OBJECT or not number or not as_measured:
        return []
    of_class, of_all = constants.FULL_RATE_IMAGES
    part = max(number / of_class, facts.num_images / of_all, constants.LEAST_BACKBONE_RATE)
    factor = float(f"{part:.1g}")
    if factor >= 1:
        return []
    images = f"{number:,} image{'s' * (number != 1)}"
    images += " of a class" if len(facts.images_per_class) > 1 else ""
    reason = (
        f"times the rate: half of the objects are above {side:.0%} of the image's side, as in the "
        f"images of ImageNet, whose weights know more than {images} can show"
    )
    return [RecipeChoice(key, factor, reason)]


def _has_new_rate(task: Task) -> bool:
    """Return whether a start learns new classes at a rate that is chosen for it, not given."""
    own = "training.learning_rate" in task.given or _optimizer(task) != "adamw"
    return task.learns_new_classes and not own


def choose_rate(task: Task, batch: int) -> list[RecipeChoice]:
    """Choose the learning rate, for the batch; nothing where that of a start's recipe holds."""
    usual, of = _usual_rate(task)
    factor = min(max(batch / usual.batch_size, 1.0), constants.LARGEST_RATE_FACTOR)
    own = task.start is not None and not _has_new_rate(task)
    if own and (factor == 1 or "training.learning_rate" in task.given):
        return []
    if factor == 1:
        reason = f"{of}, for batches of {usual.batch_size}"
    else:
        bounded = batch > constants.LARGEST_RATE_FACTOR * usual.batch_size
        bound = f", as for {factor * usual.batch_size:g} and no more" if bounded else ""
        reason = (
            f"{of} {usual.value:g} for batches of {usual.batch_size}, "
            f"{describe_scaling(usual.optimizer)}{bound}"
        )
    rate = scale_rate(usual.value, factor, usual.optimizer)
    return [RecipeChoice(usual.key, float(f"{rate:.4g}"), reason)]


def _usual_rate(task: Task) -> tuple[LearningRate, str]:
    """Return the rate for the usual batch, and whose it is."""
    start, batch = task.start, constants.BASE_BATCH
    if start is None:
        optimizer = _optimizer(task)
        rate, _ = constants.BASE_RATES[optimizer]
        of = f"{_NAMES[optimizer]}'s"
        return LearningRate("training.learning_rate", rate, optimizer, batch), of
    if not _has_new_rate(task):
        optimizer = _given_optimizer(task) or start.rate.optimizer
        return replace(start.rate, optimizer=optimizer), "the start's"
    key = f"{_NEW_CLASSES}.learning_rate"
    if start.has_base_levels:
        of = "AdamW's of new levels and heads on a trained backbone"
        return LearningRate(key, constants.NEW_LEVELS_RATE, "adamw", batch), of
    rate, _ = constants.START_RATES
    of = "AdamW's of a detector that learns new classes"
    return LearningRate(key, rate, "adamw", batch), of


def _optimizer(task: Task) -> OptimizerName:
    """Return the optimizer of what learns new classes: the given one, or AdamW."""
    return _given_optimizer(task) or "adamw"


def _given_optimizer(task: Task) -> OptimizerName | None:
    given = task.given.get("training.optimizer")
    return next((name for name in _NAMES if name == given), None)


def choose_epochs(task: Task, batch: int, cost: float) -> RecipeChoice:
    """Choose the passes over the images, by the time or by the number of images."""
    num_images = task.facts.num_images
    steps = task.steps_in_time(batch, cost)
    if steps is not None:
        epochs = max(math.ceil(steps * batch / num_images), 1)
        reason = (
            f"about {steps:,} steps of {batch} images fit into {task.time} on {task.machine}; this "
            f"is measured before the first step"
        )
        return RecipeChoice("training.epochs", epochs, reason)
    few, many = math.log(constants.FEW_IMAGES), math.log(constants.MANY_IMAGES)
    place = min(max((math.log(num_images) - few) / (many - few), 0.0), 1.0)
    target = constants.FEW_IMAGES_EPOCHS + place * (
        constants.MANY_IMAGES_EPOCHS - constants.FEW_IMAGES_EPOCHS
    )
    least = constants.STEPS_WITHOUT_BUDGET * batch / num_images
    part = 1.0
    if task.start is not None and not task.chooses_network:
        part = constants.KNOWN_PART if task.start.knows_classes else constants.START_PART
    epochs = math.ceil(part * max(target, least))
    why = f"{num_images:,} images"
    if least > target:
        why += f" are few: {target:.0f} epochs would be {target * num_images / batch:,.0f} steps"
    if task.start is not None and not task.chooses_network:
        known = "knows the classes" if task.start.knows_classes else "is a detector already"
        why += f"; {part:.0%} of what ImageNet weights need, as the start {known}"
    steps = math.ceil(epochs * num_images / batch)
    return RecipeChoice("training.epochs", epochs, f"{why}; {steps:,} steps of {batch}")


def choose_averaging(task: Task, num_steps: int, training: TrainingSettings) -> list[RecipeChoice]:
    """Choose the decay of the weights' average, where the training is long.

    A start has the decay of its own training, `training`: an average that reaches back further
    than a short one would hardly leave the weights that it starts from.
    """
    part = constants.AVERAGED_PART * num_steps
    if task.start is None:
        reach = min(part, constants.MOST_AVERAGED)
        needed = reach >= constants.LEAST_AVERAGED
    else:
        reach = max(part, constants.USUAL_AVERAGED)
        needed = training.average_decay > 1 - 1 / reach
    if not needed:
        return []
    decay = float(f"{1 - 1 / reach:.4g}")
    reason = f"the average of weights reaches back {reach:,.0f} of {num_steps:,} steps"
    return [RecipeChoice("training.average_decay", decay, reason)]
