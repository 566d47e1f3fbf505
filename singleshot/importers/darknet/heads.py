"""What Darknet's `region`, `yolo` and `detection` layers say, as tables of our recipes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from singleshot.detectors.yolo.word_tree_settings import nodes_of
from singleshot.importers.darknet.cfg import Section
from singleshot.importers.darknet.network import Network, Prediction

__all__ = ["tables_of"]

# They say how it is trained, which a person who fine-tunes says in the recipe.
TRAINING = {
    *("jitter", "random", "rescore", "thresh", "truth_thresh", "ignore_thresh", "absolute"),
    *("object_scale", "noobject_scale", "class_scale", "coord_scale", "bias_match", "map", "max"),
    "log",
}
LARGEST_TREE = 2**22  # bytes; 9k.tree has 135,000


def tables_of(network: Network) -> dict[str, Any]:
    """The recipe's `model`, but for its input and backbone."""
    match network.predictions[0].section.kind:
        case "region":
            return region(network.predictions[0])
        case "yolo":
            return yolo(network)
    return detection(network)


def region(prediction: Prediction) -> dict[str, Any]:
    """`parse_region`: anchors are in cells."""
    section = prediction.section
    section.require_known(
        {"anchors", "num", "classes", "coords", "softmax", "tree", "classfix", "background"}
        | TRAINING
    )
    section.require("coords", "4", default="4")
    section.require("background", "0", default="0")  # else the softmax has a column for it
    number = section.integer("num", 1, least=1)
    anchors = [
        [side * prediction.source.stride for side in pair] for pair in pairs(section, number)
    ]
    classes = section.integer("classes", 20, least=1)
    require_channels(prediction, number, classes)
    table = {"anchors": anchors, "neck": "none", "aspect": "letterbox"}
    if "tree" in section.options:
        return {"kind": "yolo9000", "tree": tree(section, classes), **table}
    section.require("softmax", "1", default="0")
    return {"kind": "yolo-v2", **table}


def yolo(network: Network) -> dict[str, Any]:
    """`parse_yolo`: anchors are in pixels, of which each level has some."""
    found = sorted(network.predictions, key=lambda prediction: prediction.source.stride)
    masks, tables = [], []
    for prediction in found:
        section = prediction.section
        section.require_known({"anchors", "num", "classes", "mask", *TRAINING})
        number = section.integer("num", 1, least=1)
        classes = section.integer("classes", 20, least=1)
        mask = list(range(number))
        if "mask" in section.options:
            mask = section.integers("mask", least=0)
        if max(mask) >= number:
            raise section.error(
                f"has {number} anchors, of which it takes number {max(mask)}", "mask"
            )
        require_channels(prediction, len(mask), classes)
        masks.append(mask)
        tables.append((pairs(section, number), classes))
        if tables[-1] != tables[0]:
            raise section.error("has other anchors or classes than the others")
    return {
        "kind": "yolo-v3",
        "anchors": tables[0][0],
        "masks": masks,
        "neck": "none",
        "aspect": "letterbox",
    }


def detection(network: Network) -> dict[str, Any]:
    """`parse_detection`: numbers of all cells at once."""
    section = network.predictions[0].section
    section.require_known(
        {"side", "num", "classes", "coords", "softmax", "sqrt", "forced", *TRAINING}
    )
    section.require("coords", "4", default="1")
    section.require("softmax", "0", default="0")
    section.require("sqrt", "1", default="0")
    side = section.integer("side", 7, least=1)
    boxes, classes = section.integer("num", 1, least=1), section.integer("classes", 1, least=1)
    *before, last = network.connected
    local = [layer for layer in before if layer.kind == "local"]
    wide = [layer for layer in before if layer.kind == "connected"]
    require_connected([*wide, last])
    if last.integer("output", least=1) != side * side * (classes + boxes * 5):
        raise last.error(
            f"gives other than {side} × {side} cells × ({classes} classes + {boxes} boxes × 5), "
            f"which [detection] wants",
            "output",
        )
    return {
        "kind": "yolo-v1",
        "cells": [side, side],
        "boxes_per_cell": boxes,
        "convolutions": False,
        "local": locally(local[0]) if local else 0,
        "fully_connected": [layer.integer("output", least=1) for layer in wide],
    }


def require_connected(layers: Sequence[Section]) -> None:
    """All leaky but the last, which is linear."""
    for layer in layers:
        layer.require_known({"output", "activation", "batch_normalize"})
        layer.require("batch_normalize", "0", default="0")
        activation = "linear" if layer is layers[-1] else "leaky"
        layer.require("activation", activation, default="logistic")


def locally(section: Section) -> int:
    """Channels of the only locally connected layer that ours can be."""
    section.require_known({"filters", "size", "stride", "pad", "activation"})
    for key, value, default in (("size", "3", "1"), ("stride", "1", "1"), ("pad", "1", "0")):
        section.require(key, value, default=default)
    section.require("activation", "leaky", default="logistic")
    return section.integer("filters", least=1)


def pairs(section: Section, number: int) -> list[list[float]]:
    """Widths and heights of so many anchors."""
    values = section.numbers("anchors")
    if len(values) != 2 * number or min(values) <= 0:
        raise section.error(
            f"has anchors with {len(values)} numbers; expected {2 * number} above 0 for num = "
            f"{number}",
            "anchors",
        )
    return [[values[at], values[at + 1]] for at in range(0, len(values), 2)]


def require_channels(prediction: Prediction, number: int, classes: int) -> None:
    """The convolution before gives what the layer takes."""
    wanted = number * (classes + 5)
    assert prediction.convolution is not None
    if prediction.channels != wanted:
        raise prediction.convolution.error(
            f"has filters = {prediction.channels}, the [{prediction.section.kind}] below wants "
            f"{number} anchors × ({classes} classes + 5) = {wanted}",
            "filters",
        )


def tree(section: Section, classes: int) -> list[str]:
    """The lines of the tree, which is looked for beside the cfg by its name alone."""
    path = section.path.parent / Path(section.text("tree")).name
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_TREE).decode("utf-8", errors="replace")
    except OSError as error:
        raise section.error(
            f"has a tree; {path.name} is looked for beside the cfg", "tree"
        ) from error
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        nodes = nodes_of(lines)
    except ValueError as error:
        raise section.error(f"has a tree that is none: {path}: {error}", "tree") from error
    if len(nodes) != classes:
        raise section.error(f"has {classes} classes, {path} has {len(nodes)} nodes", "classes")
    return [f"{node.name} {node.parent}" for node in nodes]
