"""How many objects the chosen priors overlap, against boxes that are priors or have none near."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from tasks import facts, task

from singleshot.auto.choose import choose_recipe
from singleshot.auto.coverage import describe_coverage
from singleshot.auto.limits import Limits, MeasurementSetup
from singleshot.auto.start import base_content

SETUP = MeasurementSetup(("cat",), torch.zeros(3, 48, 64, dtype=torch.uint8), torch.device("cpu"))


def test_the_part_of_the_objects_with_a_prior_is_beside_the_recipes_own():
    # Those of a fifth of the side are overlapped by the priors of both, those of 11 pixels in 320
    # by smaller ones alone, those of a pixel by none. The first are of a class that counts less.
    sides = np.select([np.arange(100) < 60, np.arange(100) < 90], [0.2, 11 / 320], 0.002)
    weights = np.where(sides == 0.2, 1.0, 2.0)
    corners = [0.5 - sides / 2, 0.5 - sides / 2, 0.5 + sides / 2, 0.5 + sides / 2]
    made = facts(boxes=np.stack(corners, axis=1), weights=weights / weights.sum())
    given = {"model.input": [320, 320], "model.backbone.strides": [4, 8, 16, 32]}
    chosen = choose_recipe(
        replace(task(given=given), facts=made), base_content(None), Limits(), SETUP
    )
    line = describe_coverage(chosen, base_content(None), made, ("cat",))
    # 60 + 2 · 30 of 60 + 2 · 40, and 60 of these.
    assert line == (
        "priors overlap 85.7% of the objects by half or more (IoU 0.5), where the recipe's own at "
        "320 x 320 overlap 42.9%"
    )
