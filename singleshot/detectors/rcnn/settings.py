"""The tables `model` of R-CNN and its successors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from singleshot.detectors.common.settings import (
    DetectorSettings,
    SamplingSettings,
    WideSamplingSettings,
)
from singleshot.settings import Count, Fraction, Positive, Settings

__all__ = [
    "AnchorSettings",
    "FastRcnnSettings",
    "FasterRcnnSettings",
    "ProposalSettings",
    "RcnnSettings",
    "RegionAspect",
    "RegionSettings",
    "RfcnSettings",
    "SearchSettings",
    "StageSettings",
]


RegionAspect = Literal["stretch", "keep"]
MOST_STRIDES = 64  # in the side of an anchor; the papers' have up to 32


def _numbers_of_strides(scales: tuple[float, ...]) -> tuple[float, ...]:
    """Check that no scale is a number of pixels, as the papers have it."""
    if max(scales, default=0) > MOST_STRIDES:
        raise ValueError(
            f"{max(scales):g} is no number of strides ({MOST_STRIDES} at most); 128 pixels at a "
            f"stride of 16 is 8"
        )
    return scales


AnchorScales = Annotated[tuple[Positive, ...], AfterValidator(_numbers_of_strides)]


class SearchSettings(Settings):
    """Selective search (Uijlings et al. 2013), "fast" mode."""

    regions: Count = Field(2000, description="of an image at most; the smallest are left out")
    width: Count = Field(
        500,
        description="wider images are searched at this width, the one of R-CNN's demonstration "
        "(examples/rcnn_detect.m)",
    )


class AnchorSettings(Settings):
    """Boxes at each position of a feature map, which proposals are relative to."""

    scales: AnchorScales = Field(
        (8, 16, 32), min_length=1, description="sides of the square ones, in strides of their level"
    )
    ratios: tuple[Positive, ...] = Field((0.5, 1, 2), min_length=1, description="height / width")
    rule: Literal["caffe", "torchvision"] = Field(
        "caffe",
        description="'caffe': around the middle of a cell, whole numbers of the base box scaled "
        "(generate_anchors.py); 'torchvision': around its corner, rounded last",
    )


class ProposalSettings(Settings):
    """The region proposal network (Ren et al. 2015, §3.1)."""

    anchors: AnchorSettings = AnchorSettings()
    channels: int = Field(0, ge=0, description="of its 3 × 3 convolution; 0: as the feature map")
    positive_iou: Fraction = Field(0.7, description="IoU from which an anchor shows an object")
    negative_iou: Fraction = Field(0.3, description="IoU below which it shows none")
    inside: bool = Field(
        True, description="train only anchors within the image, as in the paper (§3.3)"
    )
    sampled: Count = Field(256, description="anchors of an image to train on")
    positives: Fraction = Field(0.5, description="share of these that show an object, at most")
    offset_scales: tuple[Positive, Positive] = Field(
        (1.0, 1.0),
        description="units of the offsets of centre and size; R-FCN's code: 0.1, "
        "0.2 (RPN_NORMALIZE_STDS)",
    )
    iou_threshold: Fraction = Field(0.7, description="of NMS among proposals")
    min_side: float = Field(16, ge=0, description="pixels; smaller proposals are left out")
    before_training: Count = Field(12000, description="best of a level that go into NMS …")
    after_training: Count = Field(2000, description="… and kept of an image, while training")
    before: Count = Field(6000, description="at detection: best of a level that go into NMS …")
    after: Count = Field(300, description="… and kept")


class FewProposalsSettings(ProposalSettings):
    """Proposals of R-FCN: as many in training as at detection (py-R-FCN, rfcn_end2end_ohem.yml)."""

    before_training: Count = Field(6000, description="best of a level that go into NMS …")
    after_training: Count = Field(300, description="… and kept of an image, while training")


class StageSettings(Settings):
    """R-CNN's three stages: the network, its SVMs, its box regression."""

    svms_from: Fraction = Field(0.6, description="part of the training when stage two begins")
    boxes_from: Fraction = Field(0.8, description="part of the training when stage three begins")
    feature_norm: Positive = Field(
        20.0, description="length that feature vectors are scaled to (rcnn_scale_features.m)"
    )
    svm_negative_iou: Fraction = Field(
        0.3,
        description="IoU with the objects of a class below which a region is a negative",
    )
    candidates: Count = Field(
        512, description="regions of an image, drawn at random, among which …"
    )
    hard_negatives: Count = Field(
        96, description="… so many with the highest scores are the negatives of an SVM"
    )
    svm_positive_weight: Positive = Field(2.0, description="of objects (rcnn_train.m)")
    svm_decay: float = Field(
        1e-4,
        ge=0,
        description="λ of λ / 2 · ‖w‖² beside the hinge loss; training.weight_decay comes on top",
    )
    boxes_iou: Fraction = Field(0.6, description="IoU from which a region has a box loss")
    boxes_decay: float = Field(
        1e-4,
        ge=0,
        description="λ of λ / 2 · ‖w‖² of the regression; training.weight_decay comes on top",
    )

    @model_validator(mode="after")
    def in_order(self) -> StageSettings:
        """Check that stages come one after the other."""
        if self.svms_from > self.boxes_from:
            raise ValueError("stages.svms_from is at most stages.boxes_from")
        return self


class RegionSettings(DetectorSettings):
    """Keys that all of them have."""

    aspect: RegionAspect = Field(
        "stretch",
        description="at detection, 'stretch': images are stretched to the input, as in training; "
        "'keep': shrunk or enlarged until the shortest side is the input's and the longest is not "
        "above it, as in the papers",
    )


class RcnnSettings(RegionSettings):
    """Regions with CNN features (Girshick et al. 2014)."""

    kind: Literal["rcnn"]
    search: SearchSettings = SearchSettings()
    warped: Count = Field(227, ge=32, description="side of a region as the network's input")
    context: int = Field(16, ge=0, description="pixels around the region in it (appendix A)")
    fully_connected: tuple[Count, ...] = Field((4096, 4096), description="fc6 and fc7")
    dropout: Fraction = Field(0.5, lt=1, description="after each of them, in training")
    sampling: WideSamplingSettings = WideSamplingSettings()
    stages: StageSettings = StageSettings()


class FastRcnnSettings(RegionSettings):
    """Fast R-CNN (Girshick 2015)."""

    kind: Literal["fast-rcnn"]
    search: SearchSettings = SearchSettings()
    pooled: Count = Field(7, description="side of a region after pooling, in cells")
    fully_connected: tuple[Count, ...] = Field((4096, 4096), description="fc6 and fc7")
    dropout: Fraction = Field(0.5, lt=1, description="after each of them, in training")
    sampling: SamplingSettings = SamplingSettings()


class FasterRcnnSettings(RegionSettings):
    """Faster R-CNN (Ren et al. 2015), and with a feature pyramid (Lin et al. 2017)."""

    kind: Literal["faster-rcnn"]
    top_down: int = Field(
        0, ge=0, description="channels of a feature pyramid; 0: the last feature map alone"
    )
    proposals: ProposalSettings = ProposalSettings()
    pooling: Literal["max", "align"] = Field(
        "max", description="'max': RoI pooling; 'align': RoIAlign (He et al. 2017)"
    )
    pooled: Count = Field(7, description="side of a region after pooling, in cells")
    fully_connected: tuple[Count, ...] = Field((4096, 4096), description="fc6 and fc7")
    dropout: Fraction = Field(0.5, lt=1, description="after each of them, in training")
    sampling: WideSamplingSettings = WideSamplingSettings()
    unused_columns: int = Field(
        0,
        ge=0,
        description="of the softmax, after the classes: weights trained with gaps in the class ids "
        "have some",
    )

    @model_validator(mode="after")
    def pooling_fits(self) -> FasterRcnnSettings:
        """Check that a pyramid has RoIAlign: RoI pooling is of one map."""
        if self.top_down and self.pooling == "max":
            raise ValueError("top_down needs pooling = 'align', which selects among its levels")
        return self


class RfcnSettings(RegionSettings):
    """Region-based fully convolutional network (Dai et al. 2016)."""

    kind: Literal["rfcn"]
    proposals: FewProposalsSettings = FewProposalsSettings()
    reduced: int = Field(
        1024, ge=0, description="channels of the 1 × 1 convolution before the score maps; 0: none"
    )
    bins: Count = Field(7, description="k: a region has k × k parts, each with maps of its own")
    positive_iou: Fraction = Field(
        0.5, description="IoU with an object from which a region shows it"
    )
    hardest: Count = Field(
        128, description="regions of an image with the greatest loss, which are trained on (§2.2)"
    )
