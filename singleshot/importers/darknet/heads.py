"""Darknet's `region`, `yolo` and `detection` layers as tables of our recipes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from singleshot.detectors.yolo.settings import nodes_of
from singleshot.importers.darknet.cfg import Section
from singleshot.importers.darknet.network import Network, OutputLayer

__all__ = ["model_tables"]

# Options of training, which is configured by the recipe.
TRAINING = {
    *("jitter", "random", "rescore", "thresh", "truth_thresh", "ignore_thresh", "absolute"),
    *("object_scale", "noobject_scale", "class_scale", "coord_scale", "bias_match", "map", "max"),
    "log",
}
LARGEST_TREE = 2**22  # bytes; 9k.tree has 135,000


def model_tables(network: Network) -> dict[str, Any]:
    """Build the recipe's `model`, except its input and backbone."""
    match network.predictions[0].section.kind:
        case "region":
            return _region_table(network.predictions[0])
        case "yolo":
            return _yolo_table(network)
    return _detection_table(network)


def _region_table(prediction: OutputLayer) -> dict[str, Any]:
    """Build the table of YOLOv2 or YOLO9000 (`parse_region`): anchors are in cells."""
    section = prediction.section
    section.require_known(
        {"anchors", "num", "classes", "coords", "softmax", "tree", "classfix", "background"}
        | TRAINING
    )
    section.require("coords", "4", default="4")
    section.require("background", "0", default="0")  # else the softmax has a column for it
    number = section.integer("num", 1, least=1)
    anchors = [
        [side * prediction.source.stride for side in pair]
        for pair in _read_anchors(section, number)
    ]
    classes = section.integer("classes", 20, least=1)
    _require_channels(prediction, number, classes)
    table = {"anchors": anchors, "neck": "none", "aspect": "letterbox"}
    if "tree" in section.options:
        return {"kind": "yolo9000", "tree": _read_tree(section, classes), **table}
    section.require("softmax", "1", default="0")
    return {"kind": "yolo-v2", **table}


def _yolo_table(network: Network) -> dict[str, Any]:
    """Build the table of YOLOv3 (`parse_yolo`): anchors are in pixels, some for each level."""
    predictions = sorted(network.predictions, key=lambda prediction: prediction.source.stride)
    masks, tables = [], []
    for prediction in predictions:
        section = prediction.section
        section.require_known({"anchors", "num", "classes", "mask", *TRAINING})
        number = section.integer("num", 1, least=1)
        classes = section.integer("classes", 20, least=1)
        mask = list(range(number))
        if "mask" in section.options:
            mask = section.integers("mask", least=0)
        if max(mask) >= number:
            raise section.error(
                f"has {number} anchors, but its mask names number {max(mask)}", "mask"
            )
        _require_channels(prediction, len(mask), classes)
        masks.append(mask)
        tables.append((_read_anchors(section, number), classes))
        if tables[-1] != tables[0]:
            raise section.error("has other anchors or classes than the other [yolo] sections")
    return {
        "kind": "yolo-v3",
        "anchors": tables[0][0],
        "masks": masks,
        "neck": "none",
        "aspect": "letterbox",
    }


def _detection_table(network: Network) -> dict[str, Any]:
    """Build the table of YOLOv1 (`parse_detection`): outputs of all cells in one layer."""
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
    _require_connected([*wide, last])
    if last.integer("output", least=1) != side * side * (classes + boxes * 5):
        raise last.error(
            f"has another output than {side} × {side} cells × ({classes} classes + {boxes} boxes × "
            f"5), which [detection] needs",
            "output",
        )
    return {
        "kind": "yolo-v1",
        "cells": [side, side],
        "boxes_per_cell": boxes,
        "convolutions": False,
        "local": _local_channels(local[0]) if local else 0,
        "fully_connected": [layer.integer("output", least=1) for layer in wide],
    }


def _require_connected(layers: Sequence[Section]) -> None:
    """Require leaky activations, and a linear one in the last layer."""
    for layer in layers:
        layer.require_known({"output", "activation", "batch_normalize"})
        layer.require("batch_normalize", "0", default="0")
        activation = "linear" if layer is layers[-1] else "leaky"
        layer.require("activation", activation, default="logistic")


def _local_channels(section: Section) -> int:
    """Read the channels of a locally connected layer; raises ModelError for unusual options."""
    section.require_known({"filters", "size", "stride", "pad", "activation"})
    for key, value, default in (("size", "3", "1"), ("stride", "1", "1"), ("pad", "1", "0")):
        section.require(key, value, default=default)
    section.require("activation", "leaky", default="logistic")
    return section.integer("filters", least=1)


def _read_anchors(section: Section, number: int) -> list[list[float]]:
    """Read the widths and heights of the anchors."""
    values = section.numbers("anchors")
    if len(values) != 2 * number or min(values) <= 0:
        raise section.error(
            f"has anchors with {len(values)} numbers; expected {2 * number} above 0 for num = "
            f"{number}",
            "anchors",
        )
    return [[values[at], values[at + 1]] for at in range(0, len(values), 2)]


def _require_channels(prediction: OutputLayer, number: int, classes: int) -> None:
    """Require as many channels of the convolution before a prediction as it needs."""
    expected = number * (classes + 5)
    assert prediction.convolution is not None
    if prediction.channels != expected:
        raise prediction.convolution.error(
            f"has filters = {prediction.channels}, the [{prediction.section.kind}] below needs "
            f"{number} anchors × ({classes} classes + 5) = {expected}",
            "filters",
        )


def _read_tree(section: Section, classes: int) -> list[str]:
    """Read the lines of the word tree, a file beside the cfg."""
    path = section.path.parent / Path(section.text("tree")).name
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_TREE).decode("utf-8", errors="replace")
    except OSError as error:
        raise section.error(f"has a tree; {path.name} must be beside the cfg", "tree") from error
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        nodes = nodes_of(lines)
    except ValueError as error:
        raise section.error(f"has an invalid tree: {path}: {error}", "tree") from error
    if len(nodes) != classes:
        raise section.error(f"has {classes} classes, {path} has {len(nodes)} nodes", "classes")
    return [f"{node.name} {node.parent}" for node in nodes]
