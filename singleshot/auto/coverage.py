"""The part of the objects that the chosen priors overlap, beside that of the base recipe's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from singleshot.auto import constants
from singleshot.auto.chosen_recipe import ChosenRecipe
from singleshot.auto.facts import DataFacts
from singleshot.auto.limits import build_to_measure
from singleshot.boxes.geometry import from_unit
from singleshot.detectors.common.prior_overlap import best_priors
from singleshot.detectors.common.settings import DetectorSettings
from singleshot.recipes.load import load_recipe

__all__ = ["describe_coverage"]


def describe_coverage(
    chosen: ChosenRecipe, base: Mapping[str, Any], facts: DataFacts, class_names: Sequence[str]
) -> str:
    """Compare how many objects the priors overlap by half, with those of the base recipe.

    "" for a detector without priors, or where the priors are the base's.
    """
    own = load_recipe(base).model
    covered = _covered_part(chosen.recipe.model, facts, class_names)
    before = _covered_part(own, facts, class_names)
    if covered is None or before is None or chosen.recipe.model == own:
        return ""
    height, width = own.input
    return (
        f"priors overlap {covered:.1%} of the objects by half or more (IoU 0.5), where the "
        f"recipe's own at {height} x {width} overlap {before:.1%}"
    )


def _covered_part(
    settings: DetectorSettings, facts: DataFacts, class_names: Sequence[str]
) -> float | None:
    """Compute the part of the objects, weighted by class, with a prior of IoU 0.5 or more."""
    layout = build_to_measure(settings, class_names).prior_layout()
    if layout is None:
        return None
    every = max(len(facts.boxes) // constants.MOST_MATCHED, 1)
    boxes = from_unit(torch.from_numpy(facts.boxes[::every]), layout.size).float()
    weights = torch.from_numpy(facts.weights[::every])
    reached = best_priors(boxes, layout).iou >= 0.5
    return float(weights[reached].sum() / weights.sum())
