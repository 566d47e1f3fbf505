"""The tables `model` of YOLO, version 1 to 3, and the tree of words of YOLO9000.

A tree (WordTree, Redmon and Farhadi 2017, §4) is written as Darknet does: a line is a name and the
number of the line of its parent, from 0; -1: it has none. Parents are above their children, and the
children of one parent stand together (src/tree.c, `read_tree`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field, field_validator, model_validator

from singleshot.detectors.common.settings import DetectorSettings
from singleshot.settings import Count, Fraction, Positive, Settings

__all__ = [
    "ROOT",
    "CellWeightSettings",
    "Node",
    "RegionLayerSettings",
    "RegionWeightSettings",
    "WeightSettings",
    "Yolo9000Settings",
    "YoloAspect",
    "YoloSettings",
    "YoloV1Settings",
    "YoloV2Settings",
    "YoloV3Settings",
    "nodes_of",
]

Anchor = tuple[Positive, Positive]
Weight = Annotated[float, Field(ge=0)]
YoloAspect = Literal["stretch", "letterbox"]


ROOT = -1  # the parent of those that have none


class Node(NamedTuple):
    """A word of a tree, and its parent."""

    name: str
    parent: int  # its number, or ROOT


def _read_tree(value: object) -> object:
    """Replace the name of a file by its lines, so that a checkpoint contains them.

    Raises ValueError for a file that cannot be read.
    """
    if not isinstance(value, str):
        return value
    try:
        text = Path(value).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"not readable as a tree of words: {error}") from error
    return tuple(line for line in text.splitlines() if line.strip())


def nodes_of(lines: Iterable[str]) -> list[Node]:
    """Read the nodes of a tree; raises ValueError, naming the line, for an invalid one."""
    nodes: list[Node] = []
    for number, line in enumerate(lines):
        name, _, parent = line.strip().rpartition(" ")
        if not name.strip() or not parent.removeprefix("-").isdecimal():
            raise ValueError(f"line {number + 1}, {line[:60]!r}: expected a name and a number")
        node = Node(name.strip(), int(parent))
        if not ROOT <= node.parent < number:
            raise ValueError(
                f"line {number + 1}, {line[:60]!r}: a parent is the number of a line above, from "
                f"0, or -1"
            )
        nodes.append(node)
    _require_families(nodes)
    return nodes


def _require_families(nodes: Sequence[Node]) -> None:
    """Check that the children of one parent stand together: they share a softmax."""
    names: set[str] = set()
    for node in nodes:
        if node.name in names:
            raise ValueError(f"two lines are named {node.name!r}")
        names.add(node.name)
    seen: set[int] = set()
    for before, node in zip([None, *nodes], nodes, strict=False):
        if before is not None and before.parent == node.parent:
            continue
        if node.parent in seen:
            raise ValueError(f"{node.name!r} does not stand beside the others of its parent")
        seen.add(node.parent)


class WeightSettings(Settings):
    """Weights of the terms of the loss."""

    coordinates: Weight = 1.0
    objectness: Weight = Field(1.0, description="of boxes that are responsible for an object")
    no_object: Weight = Field(1.0, description="objectness of all other boxes")
    classes: Weight = 1.0


class CellWeightSettings(WeightSettings):
    """Weights of version 1 (§2.2, λ_coord and λ_noobj)."""

    coordinates: Weight = 5.0
    no_object: Weight = Field(0.5, description="objectness of all other boxes")


class RegionWeightSettings(WeightSettings):
    """Weights of version 2 (object_scale of yolov2.cfg)."""

    objectness: Weight = Field(5.0, description="of boxes that are responsible for an object")


class YoloSettings(DetectorSettings):
    """Keys that all versions share."""

    aspect: YoloAspect = Field(
        "stretch",
        description="at detection, 'stretch': images are stretched to the input, as in training; "
        "'letterbox': as darknet does from version 2 on, whose weights expect it: undistorted, "
        "with grey bars",
    )


class YoloV1Settings(YoloSettings):
    """YOLO (Redmon et al. 2016)."""

    kind: Literal["yolo-v1"]
    cells: tuple[Count, Count] = Field((7, 7), description="(rows, columns)")
    boxes_per_cell: Count = 2
    convolutions: bool = Field(
        True, description="the paper's last four, after the backbone; one of them halves the map"
    )
    local: int = Field(
        0,
        ge=0,
        description="channels of a locally connected layer before the fully connected ones, as "
        "yolov1.cfg has; 0: none, as in the paper",
    )
    fully_connected: tuple[Count, ...] = Field(
        (4096,), description="neurons of the layers before the last"
    )
    dropout: Fraction = Field(0.5, lt=1, description="before the last layer, in training")
    weights: CellWeightSettings = CellWeightSettings()


class RegionLayerSettings(YoloSettings):
    """Keys of darknet's `[region]` layer (src/region_layer.c)."""

    anchors: tuple[Anchor, ...] = Field(
        min_length=1,
        description="(width, height) in pixels of the input; darknet's are in cells of 32 pixels",
    )
    neck: Literal["passthrough", "none"] = Field(
        "passthrough",
        description="'passthrough': the paper's three convolutions, with the finer feature map as "
        "a second input; 'none': the last feature map",
    )
    ignore_iou: Fraction = Field(
        0.6,
        description="IoU with any object above which a box has no loss as background",
    )
    objectness: Literal["iou", "one"] = Field(
        "iou",
        description="target of a responsible box, 'iou': its overlap with the object (darknet's "
        "rescore); 'one': 1",
    )
    weights: RegionWeightSettings = RegionWeightSettings()
    settle_until: Fraction = Field(
        0.0025,
        description="part of the training with a loss that pulls every box to the middle of its "
        "cell and the size of its anchor; darknet: the first 12,800 images, which is this part of "
        "80,200 steps of 64",
    )


class YoloV2Settings(RegionLayerSettings):
    """YOLOv2 (Redmon and Farhadi 2017)."""

    kind: Literal["yolo-v2"]


class Yolo9000Settings(RegionLayerSettings):
    """YOLO9000 (Redmon and Farhadi 2017, §4)."""

    kind: Literal["yolo9000"]
    tree: Annotated[tuple[str, ...], BeforeValidator(_read_tree)] = Field(
        (),
        description="a tree of words, of which the classes are some: a file in darknet's .tree "
        "format, or its lines; left out, all classes are side by side",
    )
    decide: Literal["classes", "walk"] = Field(
        "classes",
        description="'classes': a box has a score for each, its objectness times the "
        "probability of the class, as darknet's evaluation (map); 'walk': a box has the class that "
        "a walk down the tree ends at, and its objectness as score, as darknet's drawing",
    )
    walk_until: Fraction = Field(
        0.5, description="probability above which the walk down the tree continues (-hier)"
    )

    @field_validator("tree")
    @classmethod
    def tree_is_one(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        """Check that each line has a name and a parent."""
        nodes_of(lines)
        return lines


class YoloV3Settings(YoloSettings):
    """YOLOv3 (Redmon and Farhadi 2018)."""

    kind: Literal["yolo-v3"]
    anchors: tuple[Anchor, ...] = Field(
        min_length=1, description="(width, height) in pixels of the input, smallest first"
    )
    masks: tuple[tuple[Annotated[int, Field(ge=0)], ...], ...] = Field(
        (),
        description="anchors of each level, by number, finest level first; left out, they are "
        "divided evenly",
    )
    neck: Literal["pyramid", "none"] = Field(
        "pyramid",
        description="'pyramid': the paper's convolutions, from coarse to fine, each level joined "
        "with features of the coarser one; 'none': the feature maps alone",
    )
    ignore_iou: Fraction = Field(
        0.5,
        description="IoU with any object above which a box has no loss as background",
    )

    @model_validator(mode="after")
    def masks_name_anchors(self) -> YoloV3Settings:
        """Check that masks are numbers of anchors, each once in a level."""
        for mask in self.masks:
            if not mask or len(set(mask)) < len(mask) or max(mask) >= len(self.anchors):
                raise ValueError(
                    f"masks has {list(mask)}: expected numbers of anchors, from 0 to "
                    f"{len(self.anchors) - 1}, each once"
                )
        return self
