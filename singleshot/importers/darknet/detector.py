"""YOLO of Darknet, versions 1 to 3: a cfg and its weights.

Images are resized as Darknet does for detection (`model.resize` = "darknet", and from version 2 on
`model.aspect` = "letterbox").
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from typing_extensions import assert_never

from singleshot.backbones.darknet import DarknetBackbone
from singleshot.backbones.darknet_layers import DarknetConvolution
from singleshot.backbones.darknet_weights import WeightFile, tensors_of
from singleshot.backbones.settings import DarknetSettings
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.yolo.letterbox import YoloDetector
from singleshot.detectors.yolo.settings import (
    Yolo9000Settings,
    YoloV1Settings,
    YoloV2Settings,
    YoloV3Settings,
)
from singleshot.detectors.yolo.v1 import YoloV1
from singleshot.detectors.yolo.v2 import RegionLayerDetector, YoloV2
from singleshot.detectors.yolo.v3 import YoloV3
from singleshot.detectors.yolo.yolo9000 import Yolo9000
from singleshot.errors import ModelError, RecipeError
from singleshot.importers.class_names import class_names_for, read_names
from singleshot.importers.darknet.cfg import Section, read_cfg
from singleshot.importers.darknet.heads import model_tables
from singleshot.importers.darknet.network import Network, network_of
from singleshot.importers.graph import FINE_TUNING
from singleshot.recipes.load import recipe_from
from singleshot.recipes.schema import Recipe

__all__ = ["read_darknet"]

LARGEST_SIDE = 4096  # pixels
LARGEST_GRID = 500_000  # boxes; yolov3.cfg has 22,743 at 608


def read_darknet(path: Path) -> Checkpoint:
    """Read the detector of a .weights file or its .cfg; the other must be beside it.

    Class names are those of a .names file of the same stem, else COCO's for 80 and VOC's for 20;
    of a word tree they are its nodes. Raises ModelError, which names what is damaged, missing, or
    cannot be expressed.
    """
    cfg, weights = path.with_suffix(".cfg"), path.with_suffix(".weights")
    for needed in (cfg, weights):
        if not needed.is_file():
            raise ModelError(f"{path}: {needed.name} must be beside it, and is missing")
    network = network_of(read_cfg(cfg))
    if not network.predictions:
        raise ModelError(f"{cfg}: has no [region], [yolo] or [detection]; expected a detector")
    model = {
        "input": _input_of(network.net),
        "resize": "darknet",
        "backbone": _backbone_of(network, cfg.stem),
    }
    model |= model_tables(network)
    recipe = _build_recipe(model, cfg)
    names = _find_class_names(network.predictions[0].section, recipe, cfg)
    with torch.device("meta"):  # the network of a damaged cfg may not fit into any memory
        file = _open_weights(_build_network(recipe, names, cfg), network, weights)
    detector = _build_network(recipe, names, cfg)
    for name, layer in _layers_in_file(detector, network):
        file.fill(layer, name)
    file.require_end()
    return Checkpoint(detector.state_dict(), recipe, names, metrics={})


def _input_of(net: Section) -> list[int]:
    """Read the (height, width) of the input."""
    if net.integer("channels", 3) != 3:
        raise net.error("has an input that is not of three channels", "channels")
    size = [net.integer(key, least=32) for key in ("height", "width")]
    if max(size) > LARGEST_SIDE:
        raise net.error(f"has an input of {size[0]} × {size[1]}; expected {LARGEST_SIDE} at most")
    return size


def _backbone_of(network: Network, name: str) -> dict[str, Any]:
    """Build the backbone's table: all layers but the heads; outputs from the finest level on."""
    predictions = sorted(network.predictions, key=lambda prediction: prediction.source.stride)
    outputs = [prediction.source.layer for prediction in predictions]
    if None in outputs or -1 in outputs:
        raise network.net.error("has a prediction from the image itself")
    layers = [layer.model_dump() for layer in network.layers]
    return {"kind": "darknet", "name": name, "layers": layers, "outputs": outputs}


def _build_recipe(model: dict[str, Any], cfg: Path) -> Recipe:
    """Build the recipe; an invalid value is a ModelError that names the cfg."""
    try:
        return recipe_from({"model": model, "training": FINE_TUNING}, source=str(cfg))
    except RecipeError as error:
        raise ModelError(str(error)) from error


def _find_class_names(end: Section, recipe: Recipe, cfg: Path) -> tuple[str, ...]:
    """Find the names of as many classes as the cfg has."""
    number = end.integer("classes", 20 if end.kind != "detection" else 1, least=1)
    if isinstance(recipe.model, Yolo9000Settings):
        return tuple(line.rpartition(" ")[0] for line in recipe.model.tree)
    beside = cfg.with_suffix(".names")
    if not beside.is_file():
        return class_names_for(number, cfg)
    names = read_names(beside)
    if len(names) != number:
        raise end.error(f"has {number} classes, {beside} has {len(names)} names", "classes")
    if len(set(names)) < number:
        raise ModelError(f"{beside}: has a name twice; give each class its own")
    return names


def _build_network(recipe: Recipe, names: Sequence[str], cfg: Path) -> YoloDetector:
    """Build the detector on the default device; raises ModelError if layers do not fit."""
    model = recipe.model
    assert isinstance(model, YoloV1Settings | YoloV2Settings | Yolo9000Settings | YoloV3Settings)
    assert isinstance(model.backbone, DarknetSettings)
    try:
        backbone = DarknetBackbone.from_settings(model.backbone)
        match model:
            case YoloV1Settings():
                return YoloV1.from_settings(model, backbone, names).eval()
            case YoloV2Settings():
                return YoloV2.from_settings(model, backbone, names).eval()
            case Yolo9000Settings():
                return Yolo9000.from_settings(model, backbone, names).eval()
            case YoloV3Settings():
                return YoloV3.from_settings(model, backbone, names).eval()
            case _:
                assert_never(model)
    except ModelError as error:
        raise ModelError(f"{cfg}: {error}") from error
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{cfg}: its layers do not fit each other: {reason}") from error


def _open_weights(detector: YoloDetector, network: Network, weights: Path) -> WeightFile:
    """Open the weight file; raises ModelError if it has another number of weights."""
    if detector.num_boxes > LARGEST_GRID:
        raise network.net.error(
            f"predicts {detector.num_boxes:,} boxes per image; expected {LARGEST_GRID:,} at most"
        )
    layers = _layers_in_file(detector, network)
    num_weights = sum(tensor.numel() for _, layer in layers for tensor in tensors_of(layer))
    file = WeightFile(weights)
    file.expect(num_weights)
    if file.num_left != num_weights:
        raise ModelError(
            f"{weights}: has {file.num_left:,} numbers, the layers of {network.net.path.name} need "
            f"{num_weights:,}; it is truncated, damaged, or of another network"
        )
    return file


def _layers_in_file(detector: YoloDetector, network: Network) -> list[tuple[str, nn.Module]]:
    """List the layers with weights in the order of the file, with their names for errors."""
    heads = _heads_by_line(detector, network)
    assert isinstance(detector.backbone, DarknetBackbone)
    layers: list[tuple[str, nn.Module]] = []
    for entry in network.in_file:
        if isinstance(entry, int):
            layer = detector.backbone.layers[entry]
            assert isinstance(layer, DarknetConvolution)
            layers.append((f"convolution {entry} of {network.net.path.name}", layer))
        else:
            layers.append((f"[{entry.kind}] of line {entry.line}", heads[entry.line]))
    return layers


def _heads_by_line(detector: YoloDetector, network: Network) -> dict[int, nn.Module]:
    """Map the lines of sections to the layers after the backbone."""
    if isinstance(detector, YoloV1):
        wide = [layer for layer in detector.layers.modules() if isinstance(layer, nn.Linear)]
        layers: list[nn.Module] = [*detector.local, *wide, detector.last]
        sections = network.connected
    else:
        assert isinstance(detector, RegionLayerDetector | YoloV3)
        layers = (
            [detector.head] if isinstance(detector, RegionLayerDetector) else list(detector.heads)
        )
        finest_first = sorted(network.predictions, key=lambda one: one.source.stride)
        sections = [one.convolution for one in finest_first if one.convolution is not None]
    return {section.line: layer for section, layer in zip(sections, layers, strict=True)}
