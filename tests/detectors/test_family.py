"""Distillation belongs to some families; a teacher is of its student's."""

import pytest
import torch
from small import TINY

from singleshot.errors import ModelError
from singleshot.families import build_detector, distil
from singleshot.recipes.load import load_recipe


def detector(recipe):
    small = {"model.input": [64, 64], "model.backbone": TINY}
    if recipe == "localizer":
        small["model.fully_connected"] = [8]
    torch.manual_seed(0)
    return build_detector(load_recipe(recipe, small).model, ["cat"], pretrained=False)


@pytest.mark.parametrize("student", ["localizer", "yolo-v1"])
def test_a_family_without_a_distillation_loss_takes_no_teacher(student):
    words = "runs/large: a detector of the kind 'localizer' cannot be the teacher of one"
    with pytest.raises(ModelError, match=words):
        distil(
            detector(student),
            detector("localizer"),
            weight=1.0,
            score_threshold=0.3,
            source="runs/large",
        )
