"""YOLO of Darknet, version 1 to 3: a cfg and its weights, of any network that ours can be.

Images come in as Darknet's detections take them (`model.resize` = "darknet", and from version 2
on `model.aspect` = "letterbox").
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from singleshot.backbones.darknet import DarknetBackbone
from singleshot.backbones.darknet_layers import DarknetConvolution
from singleshot.backbones.darknet_weights import WeightFile, tensors_of
from singleshot.backbones.settings import DarknetSettings
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.yolo.detector import YoloDetector
from singleshot.detectors.yolo.settings import (
    Yolo9000Settings,
    YoloV1Settings,
    YoloV2Settings,
    YoloV3Settings,
)
from singleshot.detectors.yolo.v1 import YoloV1
from singleshot.detectors.yolo.v2 import YoloV2
from singleshot.detectors.yolo.v3 import YoloV3
from singleshot.detectors.yolo.yolo9000 import Yolo9000
from singleshot.errors import ModelError, RecipeError
from singleshot.importers.class_names import class_names_for, names_in
from singleshot.importers.darknet.cfg import Section, read_cfg
from singleshot.importers.darknet.heads import tables_of
from singleshot.importers.darknet.network import Network, network_of
from singleshot.importers.graph import FINE_TUNING
from singleshot.recipes.load import recipe_from
from singleshot.recipes.schema import Recipe

__all__ = ["read_darknet"]

LARGEST_SIDE = 4096  # pixels
LARGEST_GRID = 500_000  # boxes; yolov3.cfg has 22,743 at 608


def read_darknet(path: Path) -> Checkpoint:
    """The detector of a .weights file or its .cfg; the other is looked for beside it, by its stem.

    Class names are those of a .names file of the same stem, else COCO's for 80 and VOC's for 20;
    of a tree of words they are its nodes. Raises ModelError, which names what is damaged, missing,
    or not to be expressed.
    """
    cfg, weights = path.with_suffix(".cfg"), path.with_suffix(".weights")
    for needed in (cfg, weights):
        if not needed.is_file():
            raise ModelError(f"{path}: {needed.name} is looked for beside it, and is not there")
    network = network_of(read_cfg(cfg))
    if not network.predictions:
        raise ModelError(f"{cfg}: has no [region], [yolo] or [detection]: it is no detector")
    model = {
        "input": input_of(network.net),
        "resize": "darknet",
        "backbone": backbone_of(network, cfg.stem),
    }
    model |= tables_of(network)
    recipe = checked(model, cfg)
    names = class_names(network.predictions[0].section, recipe, cfg)
    with torch.device("meta"):  # what a damaged cfg wants may not fit into any memory
        file = file_for(built(recipe, names, cfg), network, weights)
    detector = built(recipe, names, cfg)
    for place, layer in in_order(detector, network):
        file.fill(layer, place)
    file.require_end()
    return Checkpoint(detector.state_dict(), recipe, names, metrics={})


def input_of(net: Section) -> list[int]:
    """(height, width) of the images it takes."""
    if net.integer("channels", 3) != 3:
        raise net.error("takes images that are not of three channels", "channels")
    size = [net.integer(key, least=32) for key in ("height", "width")]
    if max(size) > LARGEST_SIDE:
        raise net.error(f"takes images of {size[0]} × {size[1]}; expected {LARGEST_SIDE} at most")
    return size


def backbone_of(network: Network, name: str) -> dict[str, Any]:
    """All layers but the last of each prediction, finest level first."""
    found = sorted(network.predictions, key=lambda prediction: prediction.source.stride)
    outputs = [prediction.source.layer for prediction in found]
    if None in outputs or -1 in outputs:
        raise network.net.error("has a prediction from the image itself")
    layers = [layer.model_dump() for layer in network.layers]
    return {"kind": "darknet", "name": name, "layers": layers, "outputs": outputs}


def checked(model: dict[str, Any], cfg: Path) -> Recipe:
    """The recipe, or what is wrong with it in the words of a model file."""
    try:
        return recipe_from({"model": model, "training": FINE_TUNING}, place=str(cfg))
    except RecipeError as error:
        raise ModelError(str(error)) from error


def class_names(end: Section, recipe: Recipe, cfg: Path) -> tuple[str, ...]:
    """As many as the cfg has classes."""
    number = end.integer("classes", 20 if end.kind != "detection" else 1, least=1)
    if isinstance(recipe.model, Yolo9000Settings):
        return tuple(line.rpartition(" ")[0] for line in recipe.model.tree)
    beside = cfg.with_suffix(".names")
    if not beside.is_file():
        return class_names_for(number, cfg)
    names = names_in(beside)
    if len(names) != number:
        raise end.error(f"has {number} classes, {beside} has {len(names)} names", "classes")
    if len(set(names)) < number:
        raise ModelError(f"{beside}: has a name twice; classes need names of their own")
    return names


def built(recipe: Recipe, names: Sequence[str], cfg: Path) -> YoloDetector:
    """The network, on whatever device is the default."""
    model = recipe.model
    try:
        assert isinstance(model.backbone, DarknetSettings)
        backbone = DarknetBackbone(model.backbone)
        match model:
            case YoloV1Settings():
                return YoloV1(backbone, names, model).eval()
            case YoloV2Settings():
                return YoloV2(backbone, names, model).eval()
            case Yolo9000Settings():
                return Yolo9000(backbone, names, model).eval()
            case YoloV3Settings():
                return YoloV3(backbone, names, model).eval()
    except ModelError as error:
        raise ModelError(f"{cfg}: {error}") from error
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{cfg}: its layers do not fit each other: {reason}") from error
    raise AssertionError(model)


def file_for(detector: YoloDetector, network: Network, weights: Path) -> WeightFile:
    """The file, if it has as many numbers as the network wants; ModelError otherwise."""
    if detector.num_boxes > LARGEST_GRID:
        raise network.net.error(f"makes {detector.num_boxes:,} boxes of an image; this is no YOLO")
    tensors = [tensor for _, layer in in_order(detector, network) for tensor in tensors_of(layer)]
    wanted = sum(tensor.numel() for tensor in tensors)
    file = WeightFile(weights)
    file.expect(wanted)
    if file.left != wanted:
        raise ModelError(
            f"{weights}: has {file.left:,} numbers, the layers of {network.net.path.name} want "
            f"{wanted:,}; it is cut off, damaged, or of another network"
        )
    return file


def in_order(detector: YoloDetector, network: Network) -> list[tuple[str, nn.Module]]:
    """The layers with numbers, as the file has them, and what an error calls them."""
    heads = heads_of(detector, network)
    assert isinstance(detector.backbone, DarknetBackbone)
    found: list[tuple[str, nn.Module]] = []
    for entry in network.in_file:
        if isinstance(entry, int):
            layer = detector.backbone.layers[entry]
            assert isinstance(layer, DarknetConvolution)
            found.append((f"convolution {entry} of {network.net.path.name}", layer))
        else:
            found.append((f"[{entry.kind}] of line {entry.line}", heads[entry.line]))
    return found


def heads_of(detector: YoloDetector, network: Network) -> dict[int, nn.Module]:
    """The layers after the backbone, by the lines of the sections that they are."""
    if isinstance(detector, YoloV1):
        wide = [layer for layer in detector.layers.modules() if isinstance(layer, nn.Linear)]
        layers: list[nn.Module] = [*detector.local, *wide, detector.last]
        sections = network.connected
    else:
        assert isinstance(detector, YoloV2 | YoloV3)
        layers = [detector.head] if isinstance(detector, YoloV2) else list(detector.heads)
        finest_first = sorted(network.predictions, key=lambda found: found.source.stride)
        sections = [found.convolution for found in finest_first if found.convolution is not None]
    return {section.line: layer for section, layer in zip(sections, layers, strict=True)}
