"""The table `model` of a sliding-window classifier."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from singleshot.detectors.common.settings import DetectorSettings, Side
from singleshot.settings import Count, Fraction, Positive

__all__ = ["SlidingWindowSettings"]


class SlidingWindowSettings(DetectorSettings):
    """The windows, the classifier, and the sampling of windows to train on."""

    kind: Literal["sliding-window"]
    window: tuple[Side, Side] = Field(
        description="(height, width) in pixels of the classifier's input"
    )
    margin: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.125,
        description="on each side of the object, as a fraction of the window: context around the "
        "object has edges, too",
    )
    scales: tuple[Positive, ...] = Field(
        min_length=1,
        description="sizes of objects relative to the window: for each, a copy of the image, so "
        "many times smaller",
    )
    aspect_ratios: tuple[Positive, ...] = Field(
        (1.0,),
        min_length=1,
        description="widths of objects relative to the window, at the same area: copies that are "
        "narrower",
    )
    classifier: Literal["svm", "softmax"] = Field(
        description="'svm': a linear one for each class, against all else (hinge loss; "
        "training.weight_decay is its L2 term); 'softmax': classes and a background compete"
    )
    fully_connected: tuple[Count, ...] = Field(
        (), description="neurons of the layers between the features of a window and its classes"
    )
    dropout: Fraction = Field(0.0, description="before each of those layers")
    object_iou: Fraction = Field(
        0.6, description="IoU from which a window is trained on the class of an object"
    )
    background_iou: Fraction = Field(
        0.3,
        description="IoU with all objects below which a window is background; others are ignored",
    )
    negatives_per_positive: Positive = Field(
        3.0, description="hardest windows of background in an image, for each that has a class"
    )
    min_negatives: Count = Field(20, description="hardest windows of background, at least")
