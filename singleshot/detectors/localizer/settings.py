"""The table `model` of a localizer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from singleshot.detectors.common.settings import DetectorSettings
from singleshot.settings import Count, Positive

__all__ = ["LocalizerSettings"]


class LocalizerSettings(DetectorSettings):
    """A classifier with a box for its one object."""

    kind: Literal["localizer"]
    fully_connected: tuple[Count, ...] = Field(
        (512, 512), description="neurons of the layers between the convolutions and the classes"
    )
    attach: Literal["convolutions", "fully_connected"] = Field(
        "fully_connected",
        description="input of the box layer: the feature map, through layers of its own, or the "
        "last of the classifier's layers",
    )
    localization_weight: Positive = Field(
        2.0, description="of the squared distance, beside the cross-entropy of the class"
    )
