"""The table `model` of a classifier that is applied everywhere."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from singleshot.detectors.common.settings import DetectorSettings, Side
from singleshot.settings import Count, Fraction, Positive

__all__ = ["SlidingWindowSettings"]


class SlidingWindowSettings(DetectorSettings):
    """What the classifier looks at, where, and how it learns."""

    kind: Literal["sliding-window"]
    window: tuple[Side, Side] = Field(
        description="(height, width) in pixels of what the classifier looks at"
    )
    margin: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.125,
        description="on each side of the object, of the window: a classifier sees more edges with "
        "some of what is around",
    )
    scales: tuple[Positive, ...] = Field(
        min_length=1,
        description="how much larger than the window objects are: for each, a copy of the image "
        "that is made so many times smaller",
    )
    aspect_ratios: tuple[Positive, ...] = Field(
        (1.0,),
        min_length=1,
        description="how much wider than the window objects are, at the same area: copies that are "
        "squeezed",
    )
    classifier: Literal["svm", "softmax"] = Field(
        description="'svm': a linear one for each class, against all else (hinge loss; "
        "training.weight_decay is its L2 term); 'softmax': classes and a background compete"
    )
    fully_connected: tuple[Count, ...] = Field(
        (), description="neurons of the layers between the features of a window and its classes"
    )
    dropout: Fraction = Field(0.0, description="of the values before each of those layers")
    object_iou: Fraction = Field(
        0.6, description="windows that overlap an object as much learn its class"
    )
    background_iou: Fraction = Field(
        0.3,
        description="windows that overlap all objects less are background; others learn nothing",
    )
    negatives_per_positive: Positive = Field(
        3.0, description="hardest windows of background in an image, for each that has a class"
    )
    min_negatives: Count = Field(20, description="hardest windows of background, at least")
