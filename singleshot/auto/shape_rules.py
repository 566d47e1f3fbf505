"""Rules for the shape of the input and the levels of the network."""

from __future__ import annotations

import math

import numpy as np

from singleshot.auto import constants
from singleshot.auto.choice import RecipeChoice
from singleshot.auto.facts import DataFacts
from singleshot.auto.schedule_rules import choose_batch
from singleshot.auto.task import Task

__all__ = ["cache_side_for", "choose_cache_side", "choose_input", "choose_levels"]


def choose_input(task: Task) -> RecipeChoice:
    """Choose (height, width): the shape of the images, and large enough for the small objects.

    A larger input finds large objects better, too, where the time budget allows it. A start from a
    detector keeps its own input, unless it learns new classes or a limit requires a smaller one.
    """
    if task.start is not None and not task.learns_new_classes:
        return _input_of_start(task)
    facts = task.facts
    small = facts.side_at(constants.SMALL_PART)
    needed = (constants.LEAST_OBJECT_SIDE / small) ** 2
    own = math.prod(task.start.model.input) if task.start and not task.chooses_network else 0
    timed = task.seconds is not None
    usual = max(own, math.prod(constants.LARGER_INPUT) if timed else constants.REFERENCE_PIXELS)
    target = max(needed, usual)
    bounds = _bounds(task)
    limit, why = min(bounds, key=lambda bound: bound[0])
    pixels = min(max(min(target, limit), constants.LEAST_PIXELS), task.most_pixels)
    size = _nearest_shape(_input_ratio(facts), pixels, most=min(task.most_pixels, 1.2 * pixels))
    side = small * math.sqrt(size[0] * size[1])
    small_objects = f"a tenth of the objects is below {side:.0f} pixels"
    if limit < target:
        need = f"{_describe_need(needed)}, but " if needed > usual else ""
        size_reason = f"{small_objects}; {need}{why}"
    elif target == constants.REFERENCE_PIXELS:
        size_reason = f"{small_objects}, which needs no more pixels than the usual 320 x 320"
    elif target == own:
        size_reason = f"{small_objects}; as many pixels as before"
    elif target > needed:
        size_reason = (
            f"{small_objects}; there is time for more pixels than the usual 320 x 320, which find "
            f"more (--max-gmac or --max-latency makes a faster detector)"
        )
    else:
        base = small * math.sqrt(constants.REFERENCE_PIXELS)
        least = constants.LEAST_OBJECT_SIDE
        size_reason = (
            f"{small_objects}, in 320 x 320 it would be below {base:.0f}, less than {least:g}"
        )
    reason = f"{_describe_shape(facts, size)}; {size_reason}"
    if task.start is not None:
        reason = f"not that of {task.start.source}, as it learns new classes, but {reason}"
    return RecipeChoice("model.input", list(size), reason)


def _bounds(task: Task) -> list[tuple[float, str]]:
    """List the numbers of pixels that the input must not exceed, each with its reason."""
    facts = task.facts
    height, width = facts.median_size
    bounds = [
        (float(constants.MOST_PIXELS), "larger is seldom worth its time"),
        (
            constants.UPSCALING * facts.image_pixels,
            f"the images have no more pixels ({width} x {height})",
        ),
        (task.most_pixels, f"{task.limited_by} allows no larger one"),
    ]
    if task.seconds is not None:
        given = task.given.get("training.batch_size")
        usual = choose_batch(task, constants.REFERENCE_INPUT).value
        batch = given if isinstance(given, int) else usual
        assert isinstance(batch, int)
        full = task.steps_in_time(batch, task.cost(constants.REFERENCE_PIXELS))
        assert full is not None
        least = _least_steps(task)
        # The usual input is given up only where it leaves too few steps for anything.
        scale = max(full / least, min(full / constants.FEWEST_STEPS, 1.0))
        affordable = max(scale * constants.REFERENCE_PIXELS, constants.LEAST_PIXELS_IN_TIME)
        why = f"a larger one would leave too few steps in {task.time} on {task.machine}"
        bounds.append((affordable, why))
    return bounds


def _least_steps(task: Task) -> int:
    """Choose the steps that a larger input must leave: few for small objects and trained heads."""
    if not task.chooses_network:
        return constants.FEWEST_STEPS
    side = task.facts.side_at(constants.SMALL_PART) * math.sqrt(constants.REFERENCE_PIXELS)
    steps = constants.ENOUGH_STEPS * side / constants.LEAST_OBJECT_SIDE
    return round(min(max(steps, constants.FEWEST_STEPS), constants.ENOUGH_STEPS))


def _describe_need(needed: float) -> str:
    """Describe how large an input the objects would need."""
    side = math.sqrt(needed)
    return f"they would need about {side:.0f} x {side:.0f}"


def _input_ratio(facts: DataFacts) -> float:
    """Choose width / height: that of the images, or nearer to a square where objects are long.

    A long object has the pixels of its shorter side, and priors overlap squares best.
    """
    objects, images = facts.median_object_ratio, facts.median_ratio
    if abs(math.log(objects * images)) <= math.log(constants.NEARLY_SQUARE):
        return images
    low, high = sorted((1.0, images))
    return min(max(1 / objects, low), high)


def _describe_shape(facts: DataFacts, size: tuple[int, int]) -> str:
    """Compare the shape of the input with that of the images, and the objects in both."""
    own, objects = size[1] / size[0], facts.median_object_ratio
    low, high = facts.ratio_range
    spread = f", {low:.2f} to {high:.2f} in eight of ten" if high / low > 1.2 else ""
    images = f"(width/height {facts.median_ratio:.2f}{spread})"
    if _input_ratio(facts) == facts.median_ratio:
        longest = max(facts.median_ratio, 1 / facts.median_ratio) > constants.LONGEST_INPUT
        nearly = f"as near as {constants.LONGEST_INPUT:g} : 1 to " if longest else ""
        return f"{nearly}the shape of the images {images}"
    return (
        f"nearer to a square than the images {images}, so that half of the objects are below "
        f"{objects * own:.2f} : 1 instead of {objects * facts.median_ratio:.2f} : 1"
    )


def _nearest_shape(ratio: float, pixels: float, *, most: float) -> tuple[int, int]:
    """Find (height, width), multiples of 32, nearest to a number of pixels and a width / height."""
    longest = constants.LONGEST_INPUT
    ratio = min(max(ratio, 1 / longest), longest)
    step = constants.SIDE_MULTIPLE
    sides = range(2 * step, int(math.sqrt(pixels * longest)) + 2 * step, step)
    shapes = [(height, width) for height in sides for width in sides]
    allowed = [shape for shape in shapes if shape[0] * shape[1] <= most] or [(2 * step, 2 * step)]

    def distance(shape: tuple[int, int]) -> float:
        height, width = shape
        return abs(math.log(height * width / pixels)) + 2 * abs(math.log(width / height / ratio))

    return min(allowed, key=distance)


def _input_of_start(task: Task) -> RecipeChoice:
    assert task.start is not None
    height, width = task.start.model.input
    if height * width <= task.most_pixels:
        reason = f"that of {task.start.source}, whose weights know objects at their size in it"
        return RecipeChoice("model.input", [height, width], reason)
    size = _nearest_shape(width / height, task.most_pixels, most=task.most_pixels)
    reason = (
        f"{task.limited_by} allows no more, although {task.start.source} was trained at "
        f"{height} x {width} and loses by another input"
    )
    return RecipeChoice("model.input", list(size), reason)


def choose_levels(task: Task, input: tuple[int, int]) -> tuple[RecipeChoice, list[int]]:
    """Choose the levels of the backbone: one of stride 4 where many objects are too small for 8.

    Returns the choice, which may name layers, and the strides.
    """
    strides = list(constants.BASE_STRIDES)
    side = math.sqrt(input[0] * input[1])
    part = task.facts.part_below(constants.FINE_OBJECT_SIDE / side)
    what = f"{part:.0%} of the objects are below {constants.FINE_OBJECT_SIDE:g} pixels in the input"
    if part < constants.FINE_PART:
        reason = f"{what}: no level of stride 4, which takes a quarter more time"
    else:
        strides = [constants.FINE_STRIDE, *strides]
        reason = f"{what}, too small for cells of 8: a level of stride 4 is added"
    layers = {} if task.start is None else task.start.layers
    if not layers:
        return RecipeChoice("model.backbone.strides", strides, reason), strides
    nodes = [layers[stride] for stride in strides]
    return RecipeChoice("model.backbone.nodes", nodes, reason), strides


def choose_cache_side(task: Task, input: tuple[int, int]) -> list[RecipeChoice]:
    """Choose the side that images are shrunk to, where they are much larger than the input.

    They are then decoded and augmented in less time, and more of them fit into memory.
    """
    side = cache_side_for(task.facts, input)
    if not side:
        return []
    larger = (task.facts.image_sizes.min(axis=1) > side).mean()
    reason = (
        f"the shorter side of larger images, {larger:.0%} of all, is shrunk to {side} pixels "
        f"before they are cached and augmented: {constants.CACHE_SIDE_PER_INPUT:g} times the "
        f"input, as crops show a part of an image; {_pixels_left(task.facts, side):.0%} of all "
        f"pixels are left, which takes less time and memory"
    )
    return [RecipeChoice("training.cache_side", side, reason)]


def cache_side_for(facts: DataFacts, input: tuple[int, int]) -> int:
    """Compute the shorter side that much larger images are shrunk to; 0: they stay as they are.

    `input` is the (height, width) that they are resized to in the end.
    """
    shorter = facts.image_sizes.min(axis=1)
    scales = (np.array(input) / facts.image_sizes).max(axis=1)
    needed = constants.CACHE_SIDE_PER_INPUT * scales * shorter
    side = round(float(np.quantile(needed, constants.CACHE_SIDE_PART)))
    return side if _pixels_left(facts, side) <= constants.LEAST_SHRINKING**-2 else 0


def _pixels_left(facts: DataFacts, side: int) -> float:
    """Compute the part of the pixels of all images that is left by shrinking to a shorter side."""
    shorter, pixels = facts.image_sizes.min(axis=1), facts.image_sizes.prod(axis=1)
    left = pixels * np.minimum(side / shorter, 1.0) ** 2
    return float(left.sum() / pixels.sum())
