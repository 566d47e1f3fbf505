"""Weights of torchvision's `fasterrcnn_resnet50_fpn`, also on ResNet-101 or 152."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils import fuse_conv_bn_weights

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.errors import ModelError
from singleshot.importers.class_names import class_columns
from singleshot.importers.renaming import Renaming
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe

__all__ = ["FASTER_RCNN", "is_faster_rcnn", "read_faster_rcnn"]

FASTER_RCNN = "fasterrcnn_resnet50_fpn of torchvision"

TENSORS = {"rpn.head.cls_logits.weight", "roi_heads.box_predictor.cls_score.weight"}
BODY, OUR_BODY = "backbone.body", "backbone.body.network"
LOGITS, OFFSETS = "heads.logits", "heads.offsets"
RESNETS = {6: "resnet50", 23: "resnet101", 36: "resnet152"}  # by the blocks of their third stage
NUM_LEVELS = 4
EPSILON = 1e-5

# Names of layers in torchvision before 0.15 and in the published weights, and today's.
OLD_NAMES = (
    (r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)", r"\1.0.\2"),
    (r"rpn\.head\.conv\.(weight|bias)", r"rpn.head.conv.0.0.\1"),
)


def is_faster_rcnn(state: Mapping[str, Tensor]) -> bool:
    """Check whether these tensors have the names of a Faster R-CNN, on any backbone."""
    return state.keys() >= TENSORS


def read_faster_rcnn(state: Mapping[str, Tensor], path: Path) -> Checkpoint:
    """Read the detector in a state dict; the recipe does what `model(images)` does.

    Batch norm is frozen there: it is folded into the convolutions. Raises ModelError for another
    backbone or head.
    """
    weights = Renaming({_new_name(name): state[name] for name in state}, str(path), FASTER_RCNN)
    name = _resnet_of(state, path)
    _fold_backbone(weights)
    for level in range(NUM_LEVELS):
        for blocks in ("inner_blocks", "layer_blocks"):
            weights.rename_convolution(
                f"backbone.fpn.{blocks}.{level}.0", f"top_down.network.{blocks}.{level}.0"
            )
    for theirs, ours in HEADS.items():
        weights.rename_convolution(theirs, ours)
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
    recipe = _recipe_for(name, num_unused=len(columns.unused))
    return Checkpoint(weights.finish(), recipe, columns.names, metrics={})


HEADS = {
    "rpn.head.conv.0.0": "proposals.network.head.convolution",
    "rpn.head.cls_logits": "proposals.network.head.objectness",
    "rpn.head.bbox_pred": "proposals.network.head.offsets",
    "roi_heads.box_head.fc6": "heads.layers.fc6",
    "roi_heads.box_head.fc7": "heads.layers.fc7",
    "roi_heads.box_predictor.cls_score": LOGITS,
    "roi_heads.box_predictor.bbox_pred": OFFSETS,
}


def _new_name(name: str) -> str:
    """Replace an old name of a layer by today's."""
    for old, new in OLD_NAMES:
        name = re.sub(f"^{old}$", new, name)
    return name


def _resnet_of(state: Mapping[str, Tensor], path: Path) -> str:
    """Detect the ResNet of the backbone; ModelError for any other network."""
    blocks = {name.split(".")[3] for name in state if name.startswith(f"{BODY}.layer3.")}
    if len(blocks) not in RESNETS or f"{BODY}.layer3.0.conv3.weight" not in state:
        raise ModelError(
            f"{path}: a Faster R-CNN of torchvision, but not on ResNet-50, 101 or 152 with a "
            f"feature pyramid; give the weights of fasterrcnn_resnet50_fpn"
        )
    return RESNETS[len(blocks)]


def _fold_backbone(weights: Renaming) -> None:
    """Fold each batch norm of the backbone into the convolution before it."""
    epsilon = _epsilon_of(weights.theirs)
    for convolution, norm in list(_conv_norms_of(weights.theirs)):
        for part in ("weight", "bias", "running_mean", "running_var"):
            weights.rename_tensor(f"{BODY}.{norm}.{part}", part)
        weights.rename_tensor(f"{BODY}.{convolution}.weight", "convolution")
        weights.theirs.pop(f"{BODY}.{norm}.num_batches_tracked", None)
        weight, scale, shift, mean, variance = (
            weights.ours.pop(part)
            for part in ("convolution", "weight", "bias", "running_mean", "running_var")
        )
        folded = fuse_conv_bn_weights(weight, None, mean, variance, epsilon, scale, shift)
        for part, tensor in zip(("weight", "bias"), folded, strict=True):
            weights.ours[f"{OUR_BODY}.{convolution}.{part}"] = tensor.detach()


def _conv_norms_of(state: Mapping[str, Tensor]) -> Iterator[tuple[str, str]]:
    """Yield the names of the backbone's convolutions and of the batch norms after them."""
    for name in state:
        if (match := re.fullmatch(rf"{re.escape(BODY)}\.(.*\b(?:conv\d|0))\.weight", name)) is None:
            continue
        convolution = match[1]
        if convolution.endswith("downsample.0"):
            yield convolution, f"{convolution.removesuffix('0')}1"
        else:
            yield convolution, convolution.replace("conv", "bn")


def _epsilon_of(state: Mapping[str, Tensor]) -> float:
    """Guess the epsilon of batch norm, which is in no file: PyTorch's if it was trained.

    Frozen ones count no batches. With the published COCO weights, and those fine-tuned from them,
    torchvision sets it to 0 (faster_rcnn.py, `overwrite_eps`).
    """
    variances = [tensor for name, tensor in state.items() if name.endswith("running_var")]
    is_trained = any(name.endswith("num_batches_tracked") for name in state)
    return EPSILON if is_trained or not all(bool(one.all()) for one in variances) else 0.0


def _recipe_for(name: str, *, num_unused: int) -> Recipe:
    """Build the recipe with the numbers of `fasterrcnn_resnet50_fpn` (faster_rcnn.py)."""
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
