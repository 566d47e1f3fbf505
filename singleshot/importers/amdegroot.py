"""Weights of amdegroot/ssd.pytorch: SSD300 on VGG16 (`ssd.py`).

Its training and evaluation (`eval.py`) use RGB images; `test.py` and the webcam demo forget to swap
the channels.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from singleshot.backbones.weights import read_state_dict
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.importers.pytorch_ports import (
    checkpoint_of,
    rename_alternating_extras,
    rename_plain_heads,
    rename_vgg16,
)
from singleshot.importers.renaming import Renaming
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe

__all__ = ["is_amdegroot", "read_amdegroot"]

KIND = "SSD300 of amdegroot/ssd.pytorch"
NUM_LEVELS = 6


def is_amdegroot(state: Mapping[str, Tensor]) -> bool:
    """Check whether these tensors have amdegroot's names."""
    return {"vgg.0.weight", "L2Norm.weight"} <= state.keys()


def read_amdegroot(path: Path) -> Checkpoint:
    """Read the detector in a file of its `train.py`; raises ModelError for any other."""
    weights = Renaming(read_state_dict(path), str(path), KIND)
    rename_vgg16(weights, "vgg")
    weights.rename_tensor("L2Norm.weight", "backbone.rescale.scale")
    rename_alternating_extras(weights, "extras", num_extra=NUM_LEVELS - 2)
    rename_plain_heads(weights, "conf", "loc", NUM_LEVELS)
    return checkpoint_of(weights, path, NUM_LEVELS, _recipe_for)


def _recipe_for(num_classes: int) -> Recipe:
    """Use VOC's priors for 20 classes, else COCO's (`ssd.py`: `(coco, voc)[...]`)."""
    top_k = 200  # of each class; the selection after it changes nothing (`detection.py`)
    return load_recipe(
        "ssd300-vgg16" if num_classes == 20 else "ssd300-vgg16-coco",
        {
            "model.priors.clip": "centre",
            "model.results.top_k": top_k,
            "model.results.keep": top_k * num_classes,
        },
    )
