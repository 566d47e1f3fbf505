"""Count what detectors compute once for an image, and what for each region.

    python docs/tutorial/costs.py

writes recorded/costs.json, since building these networks takes a minute; a test counts again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from singleshot.models.summary import show_model
from singleshot.recipes.load import load_recipe
from singleshot.recipes.toml import flat

__all__ = ["COSTS", "Cost", "count_cost", "read_costs"]

COSTS = Path(__file__).parent / "recorded/costs.json"
NUM_CLASSES = 20  # VOC's
# The key with the number of regions, of each recipe; none for a single-shot detector.
REGIONS = {
    "rcnn": "model.search.regions",
    "fast-rcnn": "model.search.regions",
    "faster-rcnn-vgg16": "model.proposals.after",
    "rfcn-resnet101": "model.proposals.after",
    "ssd300-vgg16": None,
}


class Cost(NamedTuple):
    """Multiply-adds of a detector."""

    once: int  # for an image
    each: int  # for a region
    regions: int

    @property
    def total(self) -> int:
        """Multiply-adds for an image with all its regions."""
        return self.once + self.each * self.regions


def count_cost(recipe: str) -> Cost:
    """Count with 100 and with 200 regions: the difference is what regions cost."""
    key = REGIONS[recipe]
    if key is None:
        return Cost(show_model(recipe, NUM_CLASSES).macs, 0, 0)
    # Random weights propose anything: nothing may be left out, or there would be fewer.
    kept = {"model.proposals.iou_threshold": 1.0, "model.proposals.min_side": 0.0}
    rest = kept if "proposals" in key else {}
    few, more = (show_model(recipe, NUM_CLASSES, {key: count, **rest}).macs for count in (100, 200))
    each = (more - few) // 100
    settings: dict[str, Any] = flat(load_recipe(recipe).model_dump(mode="json"))
    return Cost(few - 100 * each, each, settings[key])


def read_costs() -> dict[str, Cost]:
    """Read the file."""
    return {name: Cost(*cost) for name, cost in json.loads(COSTS.read_text()).items()}


if __name__ == "__main__":
    counted = {recipe: count_cost(recipe) for recipe in REGIONS}
    COSTS.write_text(json.dumps(counted, indent=1) + "\n", encoding="utf-8")
    json.dump(counted, sys.stdout)
