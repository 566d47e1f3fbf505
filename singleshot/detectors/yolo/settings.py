"""The tables `model` of YOLO, version 1 to 3."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from singleshot.detectors.common.settings import DetectorSettings
from singleshot.detectors.yolo.word_tree_settings import nodes_of, tree_lines
from singleshot.settings import Count, Fraction, Positive, Settings

__all__ = [
    "CellWeightSettings",
    "RegionLayerSettings",
    "RegionWeightSettings",
    "WeightSettings",
    "Yolo9000Settings",
    "YoloSettings",
    "YoloV1Settings",
    "YoloV2Settings",
    "YoloV3Settings",
]

Anchor = tuple[Positive, Positive]
Weight = Annotated[float, Field(ge=0)]


class WeightSettings(Settings):
    """What the parts of the loss are multiplied by."""

    coordinates: Weight = 1.0
    objectness: Weight = Field(1.0, description="of boxes that are responsible for an object")
    no_object: Weight = Field(1.0, description="objectness of all other boxes")
    classes: Weight = 1.0


class CellWeightSettings(WeightSettings):
    """Those of version 1 (§2.2, λ_coord and λ_noobj)."""

    coordinates: Weight = 5.0
    no_object: Weight = Field(0.5, description="objectness of all other boxes")


class RegionWeightSettings(WeightSettings):
    """Those of version 2 (object_scale of yolov2.cfg)."""

    objectness: Weight = Field(5.0, description="of boxes that are responsible for an object")


class YoloSettings(DetectorSettings):
    """What the versions share."""

    aspect: Literal["stretch", "letterbox"] = Field(
        "stretch",
        description="at detection, 'stretch': images are stretched to the input, as in training; "
        "'letterbox': as darknet does from version 2 on, whose weights expect it: kept in shape, "
        "with grey beside or above and below",
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
    """What darknet's `[region]` layer says (src/region_layer.c)."""

    anchors: tuple[Anchor, ...] = Field(
        min_length=1,
        description="(width, height) in pixels of the input; darknet's are in cells of 32 pixels",
    )
    neck: Literal["passthrough", "none"] = Field(
        "passthrough",
        description="'passthrough': the paper's three convolutions, which also see the finer "
        "feature map; 'none': the last feature map as it is",
    )
    ignore_iou: Fraction = Field(
        0.6, description="overlap with any object above which a box need not say that it has none"
    )
    objectness: Literal["iou", "one"] = Field(
        "iou",
        description="what a responsible box's should be, 'iou': its overlap with the object "
        "(darknet's rescore)",
    )
    weights: RegionWeightSettings = RegionWeightSettings()
    settle_until: Fraction = Field(
        0.0025,
        description="part of the training in which every box is drawn to the middle of its cell "
        "and the size of its anchor; darknet: the first 12,800 images, which is this part of "
        "80,200 steps of 64",
    )


class YoloV2Settings(RegionLayerSettings):
    """YOLOv2 (Redmon and Farhadi 2017)."""

    kind: Literal["yolo-v2"]


class Yolo9000Settings(RegionLayerSettings):
    """YOLO9000 (Redmon and Farhadi 2017, §4)."""

    kind: Literal["yolo9000"]
    tree: Annotated[tuple[str, ...], BeforeValidator(tree_lines)] = Field(
        (),
        description="a tree of words, of which the classes are some: a file in darknet's .tree "
        "format, or its lines; left out, all classes stand side by side",
    )
    decide: Literal["classes", "walk"] = Field(
        "classes",
        description="'classes': a box has a score for each, its objectness times the "
        "probability of the class, as darknet's evaluation (map); 'walk': it is what a walk down "
        "the tree ends at, its score being its objectness, as darknet's drawing",
    )
    walk_until: Fraction = Field(
        0.5, description="probability from which on the walk down the tree goes on (-hier)"
    )

    @field_validator("tree")
    @classmethod
    def tree_is_one(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        """A name and a parent on each line."""
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
        description="which anchors each level has, by number, finest level first; left out, they "
        "are shared out evenly",
    )
    neck: Literal["pyramid", "none"] = Field(
        "pyramid",
        description="'pyramid': the paper's convolutions, from coarse to fine, each level joined "
        "to what the coarser one saw; 'none': the feature maps as they are",
    )
    ignore_iou: Fraction = Field(
        0.5, description="overlap with any object above which a box need not say that it has none"
    )

    @model_validator(mode="after")
    def masks_name_anchors(self) -> YoloV3Settings:
        """By their numbers, each once in a level."""
        for mask in self.masks:
            if not mask or len(set(mask)) < len(mask) or max(mask) >= len(self.anchors):
                raise ValueError(
                    f"masks has {list(mask)}: expected numbers of anchors, from 0 to "
                    f"{len(self.anchors) - 1}, each once"
                )
        return self
