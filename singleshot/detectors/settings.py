"""The table `model`: one of the kinds of detectors there are; an SSD unless `kind` says else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Discriminator, Tag

from singleshot.detectors.localizer.settings import LocalizerSettings
from singleshot.detectors.multibox.settings import MultiBoxSettings
from singleshot.detectors.rcnn.settings import (
    FasterRcnnSettings,
    FastRcnnSettings,
    RcnnSettings,
    RfcnSettings,
)
from singleshot.detectors.sliding_window.settings import SlidingWindowSettings
from singleshot.detectors.ssd.settings import SsdSettings
from singleshot.detectors.yolo.settings import (
    Yolo9000Settings,
    YoloV1Settings,
    YoloV2Settings,
    YoloV3Settings,
)

__all__ = ["DETECTOR_KINDS", "DetectorSettings", "kind_of"]

DETECTOR_KINDS = {
    "ssd",
    "localizer",
    "rcnn",
    "fast-rcnn",
    "faster-rcnn",
    "rfcn",
    "sliding-window",
    "multibox",
    "yolo-v1",
    "yolo-v2",
    "yolo9000",
    "yolo-v3",
}


def kind_of(content: object) -> object:
    """The tag of a table, or of settings."""
    if isinstance(content, Mapping):
        return content.get("kind", "ssd")
    return getattr(content, "kind", "ssd")


DetectorSettings = Annotated[
    Annotated[SsdSettings, Tag("ssd")]
    | Annotated[LocalizerSettings, Tag("localizer")]
    | Annotated[RcnnSettings, Tag("rcnn")]
    | Annotated[FastRcnnSettings, Tag("fast-rcnn")]
    | Annotated[FasterRcnnSettings, Tag("faster-rcnn")]
    | Annotated[RfcnSettings, Tag("rfcn")]
    | Annotated[SlidingWindowSettings, Tag("sliding-window")]
    | Annotated[MultiBoxSettings, Tag("multibox")]
    | Annotated[YoloV1Settings, Tag("yolo-v1")]
    | Annotated[YoloV2Settings, Tag("yolo-v2")]
    | Annotated[Yolo9000Settings, Tag("yolo9000")]
    | Annotated[YoloV3Settings, Tag("yolo-v3")],
    Discriminator(kind_of),
]
