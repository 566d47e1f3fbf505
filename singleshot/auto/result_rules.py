"""Rules for postprocessing."""

from __future__ import annotations

from singleshot.auto import constants
from singleshot.auto.choice import RecipeChoice
from singleshot.auto.task import Task

__all__ = ["choose_nms"]


def choose_nms(task: Task) -> list[RecipeChoice]:
    """Choose NMS of a start that learns new classes, where it has the original's; else nothing.

    What knows the classes keeps the NMS that its scores were made for.
    """
    if not task.learns_new_classes or task.start is None or task.start.model.results.nms != "hard":
        return []
    reason = "boxes that are removed are averaged into the kept one, as in the recipe"
    return [
        RecipeChoice("model.results.nms", constants.NMS, reason),
        RecipeChoice("model.results.iou_threshold", constants.NMS_IOU, "measured for it"),
    ]
