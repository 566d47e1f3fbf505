"""Rules for postprocessing."""

from __future__ import annotations

from singleshot.auto import constants
from singleshot.auto.choice import RecipeChoice
from singleshot.auto.task import Task
from singleshot.detectors.common.settings import ResultSettings
from singleshot.recipes.load import load_recipe

__all__ = ["choose_most_results", "choose_nms"]


def choose_nms(task: Task) -> list[RecipeChoice]:
    """Choose NMS of a start that learns new classes, where it has the original's; else nothing.

    What knows the classes keeps the NMS that its scores were made for.
    """
    start = task.start
    if start is None or not task.learns_new_classes or start.model.results.nms != "hard":
        return []
    base = load_recipe(constants.BASE).model.results
    reason = "boxes that are removed are averaged into the kept one, as in the recipe"
    return [
        RecipeChoice("model.results.nms", base.nms, reason),
        RecipeChoice("model.results.iou_threshold", base.iou_threshold, "measured for it"),
    ]


def choose_most_results(task: Task, own: ResultSettings) -> list[RecipeChoice]:
    """Choose how many detections are kept where images are crowded; else nothing.

    `own` are those of the recipe that is changed, which are never made fewer.
    """
    objects = task.facts.most_objects
    keep = constants.KEPT_PER_OBJECT * objects
    if keep <= own.keep:
        return []
    reason = f"one image in a hundred has {objects:,} objects or more"
    candidates = max(constants.CANDIDATES_PER_KEPT * keep, own.top_k)
    why = f"candidates of a class for {keep} detections, of which NMS removes most"
    return [
        RecipeChoice("model.results.keep", keep, reason),
        RecipeChoice("model.results.top_k", candidates, why),
    ]
