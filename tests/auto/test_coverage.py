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
    # Boxes of a fifth of the side are overlapped by both, those of a pixel by neither.
    sides = np.where(np.arange(100) < 75, 0.2, 0.002)
    boxes = np.stack([0.5 - sides / 2, 0.5 - sides / 2, 0.5 + sides / 2, 0.5 + sides / 2], axis=1)
    tiny = facts(boxes=boxes)
    chosen = choose_recipe(replace(task(), facts=tiny), base_content(None), Limits(), SETUP)
    line = describe_coverage(chosen, base_content(None), tiny, ("cat",))
    assert line == (
        "priors overlap 75.0% of the objects by half or more (IoU 0.5), where the recipe's own at "
        "320 x 320 overlap 75.0%"
    )
