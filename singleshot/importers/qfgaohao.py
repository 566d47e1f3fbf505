"""Weights of qfgaohao/pytorch-ssd, and of dusty-nv's fork of it, which jetson-inference uses.

SSD300 on VGG16 ("vgg16-ssd") and on MobileNetV1 ("mb1-ssd"), SSDLite on MobileNetV1 and V2
("mb1-ssd-lite", "mb2-ssd-lite"). Priors and pixels are those of `vision/ssd/config`, for 300 × 300.
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
    QFGAOHAO_BLOCKS,
    SEPARABLE_HEADS,
    checkpoint_of,
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

__all__ = ["is_qfgaohao", "read_qfgaohao"]

Variant = Literal["vgg16-ssd", "mb1-ssd", "mb1-ssd-lite", "mb2-ssd-lite"]

LOGITS, OFFSETS = "classification_headers", "regression_headers"
NUM_LEVELS = 6
TOP_K = 200  # of each class (`candidate_size`); all that NMS leaves is kept

AS_IT_DOES: dict[str, object] = {"model.priors.clip": "centre", "model.results.top_k": TOP_K}

VGG16: dict[str, object] = {"model.backbone.conv4_3": "batch-norm"}

MOBILENET: dict[str, object] = {
    "model.pixels": {"mean": [127, 127, 127], "std": [128, 128, 128]},
    "model.priors.sizes_unit": [side / 300 for side in (60, 105, 150, 195, 240, 285, 330)],
    "model.priors.aspect_ratios": [[2, 3]] * NUM_LEVELS,
    "model.priors.strides": [16, 32, 64, 100, 150, 300],
}
MOBILENET_V1: dict[str, object] = MOBILENET | {
    "model.backbone": {
        "kind": "timm",
        "name": "mobilenetv1_100",
        "arguments": {"act_layer": "relu"},
        "strides": [16, 32],
        "weights": "none",
    },
    "model.pyramid.extra": [
        {"squeeze": 256, "channels": 512},
        {"squeeze": 128, "channels": 256},
        {"squeeze": 128, "channels": 256},
        {"squeeze": 128, "channels": 256},
    ],
}
# Without batch norm; the extra levels end in a convolution, as an inverted residual does.
BARE = {"batch_norm": False, "activation": "relu"}
MOBILENET_V1_LITE: dict[str, object] = MOBILENET_V1 | {
    "model.pyramid": {
        "block": "inverted",
        **BARE,
        "extra": MOBILENET_V1["model.pyramid.extra"],
    },
    "model.heads": {**SEPARABLE_HEADS, **BARE},
}
MOBILENET_V2_LITE: dict[str, object] = MOBILENET | {
    "model.backbone": {
        "kind": "torchvision",
        "name": "mobilenet_v2",
        # The first level is the expansion inside a block (`GraphPath(14, 'conv', 3)`).
        "nodes": ["features.14.conv.0", "features.18"],
    },
    "model.pyramid": INVERTED_PYRAMID,
    "model.heads": SEPARABLE_HEADS,
}
RECIPES: Mapping[Variant, dict[str, object]] = {
    "vgg16-ssd": VGG16,
    "mb1-ssd": MOBILENET_V1,
    "mb1-ssd-lite": MOBILENET_V1_LITE,
    "mb2-ssd-lite": MOBILENET_V2_LITE,
}

V2_CHANNELS = 32  # of the first block, at width 1
V1_STAGES = (1, 2, 2, 6, 2)  # blocks of each
V1_STEM = (("0", "1"), ("conv_stem", "bn1"))
V1_BLOCK = ((("0", "1"), ("conv_dw", "bn1")), (("3", "4"), ("conv_pw", "bn2")))


def is_qfgaohao(state: Mapping[str, Tensor]) -> bool:
    """Check whether these tensors have qfgaohao's names, and as many levels."""
    last = f"{LOGITS}.{NUM_LEVELS - 1}.weight"
    return last in state and any(key.startswith("base_net.") for key in state)


def read_qfgaohao(path: Path) -> Checkpoint:
    """Read the detector in a file of its `train_ssd.py`; raises ModelError for any other."""
    state = read_state_dict(path)
    variant = _variant_of(state, path)
    weights = Renaming(state, str(path), f"{variant} of qfgaohao/pytorch-ssd")
    _rename(weights, variant)
    return checkpoint_of(weights, path, NUM_LEVELS, partial(_recipe_for, variant))


def _variant_of(state: Mapping[str, Tensor], path: Path) -> Variant:
    """Detect the network by the names of its tensors; raises ModelError for another."""
    if "base_net.31.weight" in state:
        return "vgg16-ssd"
    if "base_net.1.3.weight" in state:
        return "mb1-ssd-lite" if "extras.0.2.0.weight" in state else "mb1-ssd"
    if len(state.get("base_net.1.conv.0.weight", ())) == V2_CHANNELS:
        return "mb2-ssd-lite"
    raise ModelError(
        f"{path}: no vgg16-ssd, mb1-ssd, mb1-ssd-lite or mb2-ssd-lite (of width 1) of "
        f"qfgaohao/pytorch-ssd; its other networks cannot be imported"
    )


def _rename(weights: Renaming, variant: Variant) -> None:
    """Rename all layers of a network."""
    match variant:
        case "vgg16-ssd":
            rename_vgg16(weights, "base_net")
            weights.rename_batch_norm("source_layer_add_ons.0", "backbone.rescale")
        case "mb1-ssd" | "mb1-ssd-lite":
            _rename_mobilenet_v1(weights)
        case "mb2-ssd-lite":
            rename_mobilenet_v2(weights, "base_net", QFGAOHAO_BLOCKS)
            rename_inverted_extras(weights, "extras", QFGAOHAO_BLOCKS)
            rename_separable_heads(weights, LOGITS, OFFSETS)
        case _:
            assert_never(variant)
    if variant == "mb1-ssd-lite":
        _rename_extras_and_heads_without_norm(weights)
    elif variant != "mb2-ssd-lite":
        rename_plain_extras(weights, "extras", num_extra=4)
        rename_plain_heads(weights, LOGITS, OFFSETS, NUM_LEVELS)


def _rename_mobilenet_v1(weights: Renaming) -> None:
    """Rename the backbone to timm's names, which count blocks by stage."""
    weights.rename_conv_norms("base_net.0", "backbone.body", [V1_STEM])
    blocks = [(stage, block) for stage, number in enumerate(V1_STAGES) for block in range(number)]
    for number, (stage, block) in enumerate(blocks, start=1):
        weights.rename_conv_norms(
            f"base_net.{number}", f"backbone.body.blocks.{stage}.{block}", V1_BLOCK
        )


def _rename_extras_and_heads_without_norm(weights: Renaming) -> None:
    """Rename the extra levels and heads of mb1-ssd-lite."""
    for level in range(NUM_LEVELS - 2):
        for number, layer in enumerate(("0", "2.0", "2.2")):
            weights.rename_convolution(
                f"extras.{level}.{layer}", f"pyramid.extra.{level}.{number}.0"
            )
    for theirs, ours in ((LOGITS, "heads.logits"), (OFFSETS, "heads.offsets")):
        for level in range(NUM_LEVELS - 1):
            weights.rename_convolution(f"{theirs}.{level}.0", f"{ours}.{level}.0.0")
            weights.rename_convolution(f"{theirs}.{level}.2", f"{ours}.{level}.1")
        weights.rename_convolution(f"{theirs}.{NUM_LEVELS - 1}", f"{ours}.{NUM_LEVELS - 1}")


def _recipe_for(variant: Variant, num_classes: int) -> Recipe:
    """Build the recipe with the numbers of its config."""
    keep = {"model.results.keep": TOP_K * num_classes}
    return load_recipe("ssd300-vgg16", AS_IT_DOES | keep | RECIPES[variant])
