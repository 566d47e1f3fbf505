"""Weights of torchvision's `fasterrcnn_resnet50_fpn`, and of it on ResNet-101 or 152."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils import fuse_conv_bn_weights

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.errors import ModelError
from singleshot.importers.coco_names import class_columns
from singleshot.importers.renaming import Renaming
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe

__all__ = ["FASTER_RCNN", "looks_like_faster_rcnn", "read_faster_rcnn"]

FASTER_RCNN = "fasterrcnn_resnet50_fpn of torchvision"

TENSORS = {"rpn.head.cls_logits.weight", "roi_heads.box_predictor.cls_score.weight"}
BODY, OUR_BODY = "backbone.body", "backbone.body.network"
LOGITS, OFFSETS = "heads.logits", "heads.offsets"
RESNETS = {6: "resnet50", 23: "resnet101", 36: "resnet152"}  # by the blocks of their third stage
NUM_LEVELS = 4
EPSILON = 1e-5

# What torchvision called layers before 0.15: the published weights still do.
OLD_NAMES = (
    (r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)", r"\1.0.\2"),
    (r"rpn\.head\.conv\.(weight|bias)", r"rpn.head.conv.0.0.\1"),
)


def looks_like_faster_rcnn(state: Mapping[str, Tensor]) -> bool:
    """Whether these tensors have the names of one, on whatever backbone."""
    return state.keys() >= TENSORS


def read_faster_rcnn(state: Mapping[str, Tensor], path: Path) -> Checkpoint:
    """The detector in a state dict, with all that `model(images)` does.

    Batch norm does not learn there: it is folded into the convolutions. Raises ModelError for
    another backbone or head.
    """
    weights = Renaming({new_name(name): state[name] for name in state}, str(path), FASTER_RCNN)
    name = resnet_of(state, path)
    fold_body(weights)
    for level in range(NUM_LEVELS):
        for blocks in ("inner_blocks", "layer_blocks"):
            weights.convolution(
                f"backbone.fpn.{blocks}.{level}.0", f"top_down.network.{blocks}.{level}.0"
            )
    for theirs, ours in HEADS.items():
        weights.convolution(theirs, ours)
    columns = class_columns(len(weights.ours[f"{LOGITS}.bias"]), path)
    order = torch.tensor([0, *columns.used, *columns.unused])
    for kind in ("weight", "bias"):
        weights.ours[f"{LOGITS}.{kind}"] = weights.ours[f"{LOGITS}.{kind}"][order]
        rows = weights.ours[f"{OFFSETS}.{kind}"]
        if len(rows) != 4 * len(order):
            raise ModelError(
                f"{path}: {len(rows)} offsets for {len(order)} classes, expected four each"
            )
        weights.ours[f"{OFFSETS}.{kind}"] = rows.reshape(len(order), 4, *rows.shape[1:])[
            order
        ].flatten(0, 1)
    recipe = recipe_of(name, num_unused=len(columns.unused))
    return Checkpoint(weights.finished(), recipe, columns.names, metrics={})


HEADS = {
    "rpn.head.conv.0.0": "proposals.network.head.convolution",
    "rpn.head.cls_logits": "proposals.network.head.objectness",
    "rpn.head.bbox_pred": "proposals.network.head.offsets",
    "roi_heads.box_head.fc6": "heads.layers.fc6",
    "roi_heads.box_head.fc7": "heads.layers.fc7",
    "roi_heads.box_predictor.cls_score": LOGITS,
    "roi_heads.box_predictor.bbox_pred": OFFSETS,
}


def new_name(name: str) -> str:
    """The name that the layer has today."""
    for old, new in OLD_NAMES:
        name = re.sub(f"^{old}$", new, name)
    return name


def resnet_of(state: Mapping[str, Tensor], path: Path) -> str:
    """Which ResNet the backbone is; ModelError for anything else."""
    blocks = {name.split(".")[3] for name in state if name.startswith(f"{BODY}.layer3.")}
    if len(blocks) not in RESNETS or f"{BODY}.layer3.0.conv3.weight" not in state:
        raise ModelError(
            f"{path}: a Faster R-CNN of torchvision, but not on ResNet-50, 101 or 152 with a "
            f"feature pyramid; give the weights of fasterrcnn_resnet50_fpn"
        )
    return RESNETS[len(blocks)]


def fold_body(weights: Renaming) -> None:
    """Every convolution of the backbone, with the batch norm after it."""
    epsilon = epsilon_of(weights.left)
    for convolution, norm in list(layers_of(weights.left)):
        for part in ("weight", "bias", "running_mean", "running_var"):
            weights.tensor(f"{BODY}.{norm}.{part}", part)
        weights.tensor(f"{BODY}.{convolution}.weight", "convolution")
        weights.left.pop(f"{BODY}.{norm}.num_batches_tracked", None)
        weight, scale, shift, mean, variance = (
            weights.ours.pop(part)
            for part in ("convolution", "weight", "bias", "running_mean", "running_var")
        )
        folded = fuse_conv_bn_weights(weight, None, mean, variance, epsilon, scale, shift)
        for part, tensor in zip(("weight", "bias"), folded, strict=True):
            weights.ours[f"{OUR_BODY}.{convolution}.{part}"] = tensor.detach()


def layers_of(state: Mapping[str, Tensor]) -> Iterator[tuple[str, str]]:
    """Names of the backbone's convolutions and of the batch norms after them."""
    for name in state:
        if (found := re.fullmatch(rf"{re.escape(BODY)}\.(.*\b(?:conv\d|0))\.weight", name)) is None:
            continue
        convolution = found[1]
        if convolution.endswith("downsample.0"):
            yield convolution, f"{convolution.removesuffix('0')}1"
        else:
            yield convolution, convolution.replace("conv", "bn")


def epsilon_of(state: Mapping[str, Tensor]) -> float:
    """That of batch norm, which no file says: of one that learned, PyTorch's.

    Frozen ones count no batches. With the published COCO weights, and whatever was fine-tuned from
    them, torchvision sets theirs to 0 (faster_rcnn.py, `overwrite_eps`).
    """
    variances = [tensor for name, tensor in state.items() if name.endswith("running_var")]
    learned = any(name.endswith("num_batches_tracked") for name in state)
    return EPSILON if learned or not all(bool(some.all()) for some in variances) else 0.0


def recipe_of(name: str, *, num_unused: int) -> Recipe:
    """With the numbers of `fasterrcnn_resnet50_fpn` (faster_rcnn.py)."""
    return load_recipe(
        "faster-rcnn-resnet50-fpn",
        {
            "model.resize": "torchvision",
            "model.aspect": "keep",
            "model.backbone.name": name,
            "model.backbone.batch_norm": "frozen",
            "model.unused_columns": num_unused,
        },
    )
