"""Weights of torchvision's `ssd300_vgg16` and `ssdlite320_mobilenet_v3_large`.

Faster R-CNN is in `torchvision_faster_rcnn`.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from singleshot.backbones.settings import TorchvisionSettings
from singleshot.backbones.torchvision import TorchvisionBackbone
from singleshot.backbones.vgg import CONVOLUTIONS
from singleshot.backbones.weights import read_state_dict
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.errors import ModelError
from singleshot.importers.class_names import ClassColumns, class_columns
from singleshot.importers.renaming import Renaming
from singleshot.importers.torchvision_faster_rcnn import is_faster_rcnn, read_faster_rcnn
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe

__all__ = ["is_torchvision", "read_torchvision"]

SSD300, SSDLITE = "ssd300_vgg16 of torchvision", "ssdlite320_mobilenet_v3_large of torchvision"

# Tensors that only the one has, and only the other.
SSD300_TENSORS = {"backbone.scale_weight", "head.regression_head.module_list.0.weight"}
LITE_WIDTH = "backbone.extra.0.0.0.weight"
LITE_TENSORS = {LITE_WIDTH, "head.regression_head.module_list.0.1.weight"}

NUM_LEVELS = 6
REDUCED_TAIL = 480  # channels of MobileNetV3's last level; 960 without the reduction
CONV4_3 = 23  # of `Vgg16.features`: layers after it are counted anew
EXPANSION = 13  # the block of `mobilenet_v3_large` that is cut in two

# ssdlite.py sets another epsilon; ours is PyTorch's.
MORE_EPSILON = 1e-3 - 1e-5


def is_torchvision(state: Mapping[str, Tensor]) -> bool:
    """Check whether these tensors have the names of one of torchvision's detectors."""
    is_ssd = any(tensors <= state.keys() for tensors in (SSD300_TENSORS, LITE_TENSORS))
    return is_ssd or is_faster_rcnn(state)


def read_torchvision(path: Path) -> Checkpoint:
    """Read the detector in a file of `torch.save(model.state_dict(), path)`.

    The recipe does what `model(images)` does: resizing, pixel statistics, priors, thresholds.
    Raises ModelError for any other file.
    """
    state = read_state_dict(path)
    if state.keys() >= SSD300_TENSORS:
        return _read_ssd300(Renaming(state, str(path), SSD300), path)
    if state.keys() >= LITE_TENSORS:
        return _read_ssdlite(Renaming(state, str(path), SSDLITE), path)
    if is_faster_rcnn(state):
        return read_faster_rcnn(state, path)
    raise ModelError(
        f"{path}: none of ssd300_vgg16, ssdlite320_mobilenet_v3_large and fasterrcnn_resnet50_fpn "
        f"of torchvision; expected a file of torch.save(model.state_dict(), FILE)"
    )


def _read_ssd300(weights: Renaming, path: Path) -> Checkpoint:
    for layer in CONVOLUTIONS:
        theirs = f"features.{layer}" if layer < CONV4_3 else f"extra.0.{layer - CONV4_3}"
        weights.rename_convolution(f"backbone.{theirs}", f"backbone.features.{layer}")
    for layer in (1, 3):
        weights.rename_convolution(f"backbone.extra.0.7.{layer}", f"backbone.fc.{layer}")
    weights.rename_tensor("backbone.scale_weight", "backbone.rescale.scale")
    for level, layer in product(range(NUM_LEVELS - 2), (0, 2)):
        theirs = f"backbone.extra.{level + 1}.{layer}"
        weights.rename_convolution(theirs, f"pyramid.extra.{level}.{layer}")
    for level, (theirs, ours) in product(range(NUM_LEVELS), HEADS.items()):
        weights.rename_convolution(f"{theirs}.{level}", f"{ours}.{level}")
    columns = _arrange_columns(weights, [f"heads.logits.{n}" for n in range(NUM_LEVELS)], path)
    recipe = _ssd300_recipe(num_unused=len(columns.unused))
    return Checkpoint(weights.finish(), recipe, columns.names, metrics={})


def _read_ssdlite(weights: Renaming, path: Path) -> Checkpoint:
    reduced_tail = weights.theirs[LITE_WIDTH].shape[1:2] == (REDUCED_TAIL,)
    _rename_mobilenet_v3(weights, _ssdlite_recipe(reduced_tail=reduced_tail))
    for level, layer in product(range(NUM_LEVELS - 2), range(3)):
        ours = f"pyramid.extra.{level}.{layer}"
        _rename_with_epsilon(weights, f"backbone.extra.{level}.{layer}", ours)
    for level, (theirs, ours) in product(range(NUM_LEVELS), HEADS.items()):
        _rename_with_epsilon(weights, f"{theirs}.{level}.0", f"{ours}.{level}.0")
        weights.rename_convolution(f"{theirs}.{level}.1", f"{ours}.{level}.1")
    columns = _arrange_columns(weights, [f"heads.logits.{n}.1" for n in range(NUM_LEVELS)], path)
    recipe = _ssdlite_recipe(reduced_tail=reduced_tail, num_unused=len(columns.unused))
    return Checkpoint(weights.finish(), recipe, columns.names, metrics={})


HEADS = {
    "head.classification_head.module_list": "heads.logits",
    "head.regression_head.module_list": "heads.offsets",
}


def _rename_mobilenet_v3(weights: Renaming, recipe: Recipe) -> None:
    """Rename the backbone, tensor by tensor, to the names of torchvision's classifier."""
    settings = recipe.model.backbone
    assert isinstance(settings, TorchvisionSettings)
    backbone = TorchvisionBackbone(settings.name, settings.nodes, settings.arguments)
    for name in backbone.state_dict():
        _, _, _, block, *layer = name.split(".")
        theirs = ".".join(_name_in_extractor(int(block), layer))
        weights.rename_tensor(f"backbone.features.{theirs}", f"backbone.{name}")


def _name_in_extractor(block: int, layer: list[str]) -> list[str]:
    """Name a layer of the classifier's block as `SSDLiteFeatureExtractorMobileNet` does."""
    if block == EXPANSION:
        layer = layer[1:]  # without the word "block"
        return ["0", str(EXPANSION), *layer[1:]] if layer[0] == "0" else ["1", "0", *layer]
    part = ["0", str(block)] if block < EXPANSION else ["1", str(block - EXPANSION)]
    return [*part, *layer]


def _rename_with_epsilon(weights: Renaming, theirs: str, ours: str) -> None:
    """Rename a convolution and its batch norm; the difference of epsilons joins the variance."""
    weights.rename_conv_norms(theirs, ours, [(("0", "1"), ("0", "1"))])
    weights.ours[f"{ours}.1.running_var"] = weights.ours[f"{ours}.1.running_var"] + MORE_EPSILON


def _arrange_columns(weights: Renaming, logits: Sequence[str], path: Path) -> ClassColumns:
    """Sort the columns of the class outputs: background, classes, unused."""
    offsets = [name.replace("logits", "offsets") for name in logits]
    num_priors = [len(weights.ours[f"{name}.bias"]) // 4 for name in offsets]
    num_rows = [len(weights.ours[f"{name}.bias"]) for name in logits]
    columns = class_columns(num_rows[0] // max(num_priors[0], 1), path)
    order = torch.tensor([0, *columns.used, *columns.unused])
    if num_rows != [priors * len(order) for priors in num_priors]:
        raise ModelError(
            f"{path}: its levels have {num_rows} class outputs for {num_priors} priors per cell, "
            f"which is not one number of classes"
        )
    for (name, priors), kind in product(zip(logits, num_priors, strict=True), ("weight", "bias")):
        rows = weights.ours[f"{name}.{kind}"]
        by_prior = rows.reshape(priors, len(order), *rows.shape[1:])
        weights.ours[f"{name}.{kind}"] = by_prior[:, order].flatten(0, 1)
    return columns


def _ssd300_recipe(*, num_unused: int) -> Recipe:
    """Build the recipe with the numbers of `ssd300_vgg16` (ssd.py)."""
    return load_recipe(
        "ssd300-vgg16-coco",
        {
            "model.resize": "torchvision",
            "model.pixels.mean": [255 * value for value in (0.48235, 0.45882, 0.40784)],
            "model.heads.unused_columns": num_unused,
            "model.priors.whole_pixels": False,
            "model.priors.clip": "size",
            "model.results.clip_before_nms": True,
        },
    )


def _ssdlite_recipe(*, reduced_tail: bool, num_unused: int = 0) -> Recipe:
    """Build the recipe with the numbers of `ssdlite320_mobilenet_v3_large` (ssdlite.py)."""
    return load_recipe(
        "ssdlite320-mobilenet-v3",
        {
            "model.resize": "torchvision",
            "model.backbone.arguments": {"reduced_tail": reduced_tail},
            "model.heads.unused_columns": num_unused,
            "model.priors.clip": "size",
            "model.results.score_threshold": 0.001,
            "model.results.nms": "hard",
            "model.results.iou_threshold": 0.55,
            "model.results.top_k": 300,
            "model.results.keep": 300,
            "model.results.clip_before_nms": True,
        },
    )
