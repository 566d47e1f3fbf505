"""Weights of amdegroot/ssd.pytorch: SSD300 on VGG16 (`ssd.py`).

Its evaluation (`eval.py`) feeds RGB images, as its training does; `test.py` and the webcam demo
forget to swap the channels.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from singleshot.backbones.weights import read_state_dict
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.importers.class_names import class_names_for
from singleshot.importers.plain import (
    rename_alternating_extras,
    rename_plain_heads,
    rename_vgg16,
)
from singleshot.importers.renaming import Renaming
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe

__all__ = ["looks_like", "read_amdegroot"]

KIND = "SSD300 of amdegroot/ssd.pytorch"
NUM_LEVELS = 6


def looks_like(state: Mapping[str, Tensor]) -> bool:
    """Whether these tensors have amdegroot's names."""
    return {"vgg.0.weight", "L2Norm.weight"} <= state.keys()


def read_amdegroot(path: Path) -> Checkpoint:
    """The detector in a file of its `train.py`; raises ModelError for any other."""
    weights = Renaming(read_state_dict(path), str(path), KIND)
    rename_vgg16(weights, "vgg")
    weights.tensor("L2Norm.weight", "backbone.rescale.scale")
    rename_alternating_extras(weights, "extras", num_extra=NUM_LEVELS - 2)
    rename_plain_heads(weights, "conf", "loc", NUM_LEVELS)
    num_classes = weights.num_classes(NUM_LEVELS - 1)
    names = class_names_for(num_classes, path)
    return Checkpoint(weights.finished(), recipe_for(num_classes), names, metrics={})


def recipe_for(num_classes: int) -> Recipe:
    """VOC's priors for 20 classes, COCO's for any other number (`ssd.py`: `(coco, voc)[...]`)."""
    top_k = 200  # of each class; the selection after it changes nothing (`detection.py`)
    return load_recipe(
        "ssd300-vgg16" if num_classes == 20 else "ssd300-vgg16-coco",
        {
            "model.priors.clip": "centre",
            "model.results.top_k": top_k,
            "model.results.keep": top_k * num_classes,
        },
    )
