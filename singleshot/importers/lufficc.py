"""Weights of lufficc/SSD: SSD300 and SSD512 on VGG16, SSD300 on EfficientNet-B3, SSDLite320 on
MobileNetV2.

Sizes of priors are those of its `configs`: COCO's for VGG16 with 80 classes, else VOC's. Limits of
NMS are from `box_head/inference.py`.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from torch import Tensor
from typing_extensions import assert_never

from singleshot.backbones.weights import read_state_dict
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.errors import ModelError
from singleshot.importers.pytorch_ports import (
    INVERTED_PYRAMID,
    SEPARABLE_HEADS,
    TORCHVISION_BLOCKS,
    checkpoint_of,
    rename_alternating_extras,
    rename_inverted_extras,
    rename_mobilenet_v2,
    rename_plain_extras,
    rename_plain_heads,
    rename_separable_heads,
    rename_vgg16,
)
from singleshot.importers.renaming import Renaming
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe

__all__ = ["is_lufficc", "read_lufficc"]

Variant = Literal["vgg300", "vgg512", "efficientnet-b3", "mobilenet-v2"]

LOGITS, OFFSETS = "box_head.predictor.cls_headers", "box_head.predictor.reg_headers"

# `configs/vgg_ssd512_voc0712.yaml`; the original's last size is 537.6.
VOC512_SIZES_UNIT = [0.07, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 537.65 / 512]

AS_IT_DOES: dict[str, object] = {
    "model.priors.clip": "centre",
    "model.priors.whole_pixels": False,
    "model.results.top_k": 100_000,  # more than there are priors: no limit
    "model.results.keep": 100,
}

# VGG's mean, whatever the backbone.
PIXELS = {"mean": [123, 117, 104]}

EFFICIENTNET_B3: dict[str, object] = {
    "model.pixels": PIXELS,
    "model.backbone": {
        "kind": "timm",
        "name": "tf_efficientnet_b3",
        "strides": [8, 16, 32],
        "weights": "none",
    },
    "model.pyramid.extra": [
        {"squeeze": 128, "channels": 256},
        {"squeeze": 128, "channels": 256, "stride": 1, "padding": 0},
        {"squeeze": 128, "channels": 256, "stride": 1, "padding": 0},
    ],
}
STAGES = (2, 3, 3, 5, 5, 6, 2)  # blocks of each
TIMM = "backbone.body"
# Convolutions and batch norms, under their names and under timm's.
BLOCK = (
    (("_expand_conv", "_bn0"), ("conv_pw", "bn1")),
    (("_depthwise_conv", "_bn1"), ("conv_dw", "bn2")),
    (("_project_conv", "_bn2"), ("conv_pwl", "bn3")),
)
BLOCK_WITHOUT_EXPANSION = (
    (("_depthwise_conv", "_bn1"), ("conv_dw", "bn1")),
    (("_project_conv", "_bn2"), ("conv_pw", "bn2")),
)

MOBILENET_V2: dict[str, object] = {
    "model.input": [320, 320],
    "model.pixels": PIXELS,
    "model.backbone": {
        "kind": "torchvision",
        "name": "mobilenet_v2",
        "nodes": ["features.13", "features.18"],
    },
    "model.pyramid": INVERTED_PYRAMID,
    "model.heads": SEPARABLE_HEADS,
    "model.priors.sizes_unit": [side / 320 for side in (60, 105, 150, 195, 240, 285, 330)],
    "model.priors.aspect_ratios": [[2, 3]] * 6,
    "model.priors.strides": [16, 32, 64, 107, 160, 320],
}


def is_lufficc(state: Mapping[str, Tensor]) -> bool:
    """Check whether these tensors have lufficc's names."""
    return any(key.startswith(f"{LOGITS}.") for key in state)


def read_lufficc(path: Path) -> Checkpoint:
    """Read the detector in a file of its `train.py`; raises ModelError for any other."""
    state = read_state_dict(path)
    variant = _variant_of(state, path)
    weights = Renaming(state, str(path), f"{variant} detector of lufficc/SSD")
    _rename(weights, variant)
    return checkpoint_of(
        weights, path, 7 if variant == "vgg512" else 6, partial(_recipe_for, variant)
    )


def _variant_of(state: Mapping[str, Tensor], path: Path) -> Variant:
    """Detect the network by the names of its tensors; raises ModelError for another."""
    if "backbone.vgg.0.weight" in state:
        return "vgg512" if f"{LOGITS}.6.weight" in state else "vgg300"
    if "backbone._conv_stem.weight" in state:
        return "efficientnet-b3"
    if "backbone.features.1.conv.0.0.weight" in state:
        return "mobilenet-v2"
    raise ModelError(
        f"{path}: no detector of lufficc/SSD on VGG16, EfficientNet-B3 or MobileNetV2; its "
        f"MobileNetV3 squeezes before the activation, which no library's does"
    )


def _rename(weights: Renaming, variant: Variant) -> None:
    """Rename all layers of a network."""
    match variant:
        case "mobilenet-v2":
            rename_mobilenet_v2(weights, "backbone.features", TORCHVISION_BLOCKS)
            rename_inverted_extras(weights, "backbone.extras", TORCHVISION_BLOCKS)
            rename_separable_heads(weights, LOGITS, OFFSETS, inner=".conv")
        case "efficientnet-b3":
            _rename_efficientnet_b3(weights)
            rename_plain_extras(weights, "backbone.extras", num_extra=3)
            rename_plain_heads(weights, LOGITS, OFFSETS, num_levels=6)
        case "vgg300" | "vgg512":
            num_levels = 7 if variant == "vgg512" else 6
            rename_vgg16(weights, "backbone.vgg")
            weights.rename_tensor("backbone.l2_norm.weight", "backbone.rescale.scale")
            rename_alternating_extras(weights, "backbone.extras", num_extra=num_levels - 2)
            rename_plain_heads(weights, LOGITS, OFFSETS, num_levels)
        case _:
            assert_never(variant)


def _rename_efficientnet_b3(weights: Renaming) -> None:
    """Rename the backbone to timm's names, which count blocks by stage."""
    weights.rename_conv_norm(
        ("backbone._conv_stem", "backbone._bn0"), (f"{TIMM}.conv_stem", f"{TIMM}.bn1")
    )
    blocks = [(stage, block) for stage, number in enumerate(STAGES) for block in range(number)]
    for number, (stage, block) in enumerate(blocks):
        theirs, ours = f"backbone._blocks.{number}", f"{TIMM}.blocks.{stage}.{block}"
        weights.rename_conv_norms(theirs, ours, BLOCK if stage else BLOCK_WITHOUT_EXPANSION)
        for part in ("reduce", "expand"):
            weights.rename_convolution(f"{theirs}._se_{part}", f"{ours}.se.conv_{part}")


def _recipe_for(variant: Variant, num_classes: int) -> Recipe:
    """Build the recipe with the numbers of its configs."""
    coco = "-coco" if num_classes == 80 else ""
    match variant:
        case "mobilenet-v2":
            return load_recipe("ssd300-vgg16", AS_IT_DOES | MOBILENET_V2)
        case "efficientnet-b3":
            return load_recipe("ssd300-vgg16", AS_IT_DOES | EFFICIENTNET_B3)
        case "vgg300":
            return load_recipe(f"ssd300-vgg16{coco}", AS_IT_DOES)
        case "vgg512":
            sizes = {} if coco else {"model.priors.sizes_unit": VOC512_SIZES_UNIT}
            return load_recipe(f"ssd512-vgg16{coco}", AS_IT_DOES | sizes)
        case _:
            assert_never(variant)
