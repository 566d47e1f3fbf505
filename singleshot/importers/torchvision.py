"""Weights of torchvision's `ssd300_vgg16` and `ssdlite320_mobilenet_v3_large`.

Those of its Faster R-CNN are read in `torchvision_faster_rcnn`.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from singleshot.backbones.settings import TorchvisionSettings
from singleshot.backbones.torchvision import TorchvisionBackbone
from singleshot.backbones.weights import read_state_dict
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.errors import ModelError
from singleshot.importers.coco_names import Columns, class_columns
from singleshot.importers.plain import CONVOLUTIONS
from singleshot.importers.renaming import Renaming
from singleshot.importers.torchvision_faster_rcnn import (
    looks_like_faster_rcnn,
    read_faster_rcnn,
)
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe

__all__ = ["looks_like", "read_torchvision"]

SSD300, SSDLITE = "ssd300_vgg16 of torchvision", "ssdlite320_mobilenet_v3_large of torchvision"

# What only the one has, and only the other.
SSD300_TENSORS = {"backbone.scale_weight", "head.regression_head.module_list.0.weight"}
LITE_WIDTH = "backbone.extra.0.0.0.weight"
LITE_TENSORS = {LITE_WIDTH, "head.regression_head.module_list.0.1.weight"}

NUM_LEVELS = 6
REDUCED_TAIL = 480  # channels of MobileNetV3's last level; 960 without the reduction
CONV4_3 = 23  # of `Vgg16.features`: what follows it is counted anew
EXPANSION = 13  # the block of `mobilenet_v3_large` that is cut in two

# ssdlite.py asks for another epsilon; ours is PyTorch's.
MORE_EPSILON = 1e-3 - 1e-5


def looks_like(state: Mapping[str, Tensor]) -> bool:
    """Whether these tensors have the names of one of them."""
    is_ssd = any(tensors <= state.keys() for tensors in (SSD300_TENSORS, LITE_TENSORS))
    return is_ssd or looks_like_faster_rcnn(state)


def read_torchvision(path: Path) -> Checkpoint:
    """The detector in a file of `torch.save(model.state_dict(), path)`.

    All that `model(images)` does comes with it: resizing, pixel statistics, priors, thresholds.
    Raises ModelError for a file of anything else.
    """
    state = read_state_dict(path)
    if state.keys() >= SSD300_TENSORS:
        return read_ssd300(Renaming(state, str(path), SSD300), path)
    if state.keys() >= LITE_TENSORS:
        return read_ssdlite(Renaming(state, str(path), SSDLITE), path)
    if looks_like_faster_rcnn(state):
        return read_faster_rcnn(state, path)
    raise ModelError(
        f"{path}: none of ssd300_vgg16, ssdlite320_mobilenet_v3_large and fasterrcnn_resnet50_fpn "
        f"of torchvision; expected what torch.save(model.state_dict(), FILE) writes of one of them"
    )


def read_ssd300(weights: Renaming, path: Path) -> Checkpoint:
    for layer in CONVOLUTIONS:
        theirs = f"features.{layer}" if layer < CONV4_3 else f"extra.0.{layer - CONV4_3}"
        weights.convolution(f"backbone.{theirs}", f"backbone.features.{layer}")
    for layer in (1, 3):
        weights.convolution(f"backbone.extra.0.7.{layer}", f"backbone.fc.{layer}")
    weights.tensor("backbone.scale_weight", "backbone.rescale.scale")
    for level, layer in product(range(NUM_LEVELS - 2), (0, 2)):
        theirs = f"backbone.extra.{level + 1}.{layer}"
        weights.convolution(theirs, f"pyramid.extra.{level}.{layer}")
    for level, (theirs, ours) in product(range(NUM_LEVELS), HEADS.items()):
        weights.convolution(f"{theirs}.{level}", f"{ours}.{level}")
    columns = arrange_columns(weights, [f"heads.logits.{n}" for n in range(NUM_LEVELS)], path)
    recipe = ssd300_recipe(num_unused=len(columns.unused))
    return Checkpoint(weights.finished(), recipe, columns.names, metrics={})


def read_ssdlite(weights: Renaming, path: Path) -> Checkpoint:
    reduced_tail = weights.left[LITE_WIDTH].shape[1:2] == (REDUCED_TAIL,)
    rename_mobilenet_v3(weights, ssdlite_recipe(reduced_tail=reduced_tail))
    for level, layer in product(range(NUM_LEVELS - 2), range(3)):
        ours = f"pyramid.extra.{level}.{layer}"
        with_larger_epsilon(weights, f"backbone.extra.{level}.{layer}", ours)
    for level, (theirs, ours) in product(range(NUM_LEVELS), HEADS.items()):
        with_larger_epsilon(weights, f"{theirs}.{level}.0", f"{ours}.{level}.0")
        weights.convolution(f"{theirs}.{level}.1", f"{ours}.{level}.1")
    columns = arrange_columns(weights, [f"heads.logits.{n}.1" for n in range(NUM_LEVELS)], path)
    recipe = ssdlite_recipe(reduced_tail=reduced_tail, num_unused=len(columns.unused))
    return Checkpoint(weights.finished(), recipe, columns.names, metrics={})


HEADS = {
    "head.classification_head.module_list": "heads.logits",
    "head.regression_head.module_list": "heads.offsets",
}


def rename_mobilenet_v3(weights: Renaming, recipe: Recipe) -> None:
    """The backbone, tensor by tensor: ours has the names of torchvision's classifier."""
    settings = recipe.model.backbone
    assert isinstance(settings, TorchvisionSettings)
    backbone = TorchvisionBackbone(settings.name, settings.nodes, settings.arguments)
    for name in backbone.state_dict():
        _, _, _, block, *layer = name.split(".")
        theirs = ".".join(their_place(int(block), layer))
        weights.tensor(f"backbone.features.{theirs}", f"backbone.{name}")


def their_place(block: int, layer: list[str]) -> list[str]:
    """Where `SSDLiteFeatureExtractorMobileNet` has a layer of a block of the classifier."""
    if block == EXPANSION:
        layer = layer[1:]  # without the word "block"
        return ["0", str(EXPANSION), *layer[1:]] if layer[0] == "0" else ["1", "0", *layer]
    part = ["0", str(block)] if block < EXPANSION else ["1", str(block - EXPANSION)]
    return [*part, *layer]


def with_larger_epsilon(weights: Renaming, theirs: str, ours: str) -> None:
    """A convolution and its batch norm, the difference of epsilons being part of the variance."""
    weights.pairs(theirs, ours, [(("0", "1"), ("0", "1"))])
    weights.ours[f"{ours}.1.running_var"] = weights.ours[f"{ours}.1.running_var"] + MORE_EPSILON


def arrange_columns(weights: Renaming, logits: Sequence[str], path: Path) -> Columns:
    """Put the columns of the class outputs in our order: background, classes, unused."""
    offsets = [name.replace("logits", "offsets") for name in logits]
    num_priors = [len(weights.ours[f"{name}.bias"]) // 4 for name in offsets]
    num_rows = [len(weights.ours[f"{name}.bias"]) for name in logits]
    columns = class_columns(num_rows[0] // max(num_priors[0], 1), path)
    order = torch.tensor([0, *columns.used, *columns.unused])
    if num_rows != [priors * len(order) for priors in num_priors]:
        raise ModelError(
            f"{path}: its levels have {num_rows} class outputs for {num_priors} priors at a place, "
            f"which is not one number of classes"
        )
    for (name, priors), kind in product(zip(logits, num_priors, strict=True), ("weight", "bias")):
        rows = weights.ours[f"{name}.{kind}"]
        by_prior = rows.reshape(priors, len(order), *rows.shape[1:])
        weights.ours[f"{name}.{kind}"] = by_prior[:, order].flatten(0, 1)
    return columns


def ssd300_recipe(*, num_unused: int) -> Recipe:
    """With the numbers of `ssd300_vgg16` (ssd.py)."""
    return load_recipe(
        "ssd300-vgg16-coco",
        {
            "model.resize": "torchvision",
            "model.pixels.mean": [255 * value for value in (0.48235, 0.45882, 0.40784)],
            "model.heads.unused_columns": num_unused,
            "model.priors.whole_pixels": False,
            "model.priors.clip": "size",
            "model.results.clip_before_suppression": True,
        },
    )


def ssdlite_recipe(*, reduced_tail: bool, num_unused: int = 0) -> Recipe:
    """With the numbers of `ssdlite320_mobilenet_v3_large` (ssdlite.py)."""
    return load_recipe(
        "ssdlite320-mobilenet-v3",
        {
            "model.resize": "torchvision",
            "model.backbone.arguments": {"reduced_tail": reduced_tail},
            "model.heads.unused_columns": num_unused,
            "model.priors.clip": "size",
            "model.results.score_threshold": 0.001,
            "model.results.suppression": "hard",
            "model.results.iou_threshold": 0.55,
            "model.results.top_k": 300,
            "model.results.keep": 300,
            "model.results.clip_before_suppression": True,
        },
    )
