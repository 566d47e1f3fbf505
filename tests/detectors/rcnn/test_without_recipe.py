"""Detectors of regions are built from parts, numbers and Literals."""

# Tests singleshot/detectors/rcnn/fast_rcnn.py, singleshot/detectors/rcnn/faster_rcnn.py

import pytest
import torch
from one_convolution import OneConvolution, make_batch

from singleshot.detectors.common.regions import Sampling
from singleshot.detectors.common.single_size import InputOptions
from singleshot.detectors.rcnn import fast_rcnn, faster_rcnn, rcnn
from singleshot.detectors.rcnn.fast_rcnn import FastRcnn
from singleshot.detectors.rcnn.faster_rcnn import FasterRcnn, LastLevel, SingleMaxPool
from singleshot.detectors.rcnn.proposals import (
    AnchorOptions,
    AnchorSampling,
    ProposalNetwork,
    ProposalSelection,
)
from singleshot.detectors.rcnn.rcnn import Rcnn, StageOptions
from singleshot.detectors.rcnn.regions import RegionHead
from singleshot.detectors.rcnn.rfcn import Rfcn
from singleshot.detectors.rcnn.selective_search import SelectiveSearch
from singleshot.detectors.rcnn.settings import (
    AnchorSettings,
    FasterRcnnSettings,
    FastRcnnSettings,
    ProposalSettings,
    RcnnSettings,
    StageSettings,
)

NAMES = ("cat", "dog")
SIZE = (64, 96)
INPUTS = InputOptions(SIZE)
ANCHORS = AnchorOptions(scales=(1, 2))


def build_rcnn():
    search = SelectiveSearch(regions=10)
    numbers = {"warped": 32, "context": 2, "fully_connected": (16,)}
    return Rcnn(OneConvolution([8]), NAMES, INPUTS, search, **numbers)


def build_fast_rcnn():
    search = SelectiveSearch(regions=10)
    return FastRcnn(OneConvolution([8]), NAMES, INPUTS, search, pooled=2, fully_connected=(16,))


def build_faster_rcnn():
    return FasterRcnn(
        OneConvolution([8]),
        NAMES,
        INPUTS,
        LastLevel(),
        ProposalNetwork(8, [8], anchors=ANCHORS),
        pooling=SingleMaxPool(2, 8),
        heads=RegionHead(8 * 2**2, (16,), 0.0, len(NAMES)),
        aspect="keep",
    )


def build_rfcn():
    proposals = ProposalNetwork(8, [8], anchors=ANCHORS)
    return Rfcn(OneConvolution([8]), NAMES, INPUTS, proposals, reduced=0, bins=2)


@pytest.mark.parametrize("build", [build_rcnn, build_fast_rcnn, build_faster_rcnn, build_rfcn])
def test_detectors_of_regions_need_no_recipe(build):
    torch.manual_seed(0)
    detector = build()
    detector.losses(make_batch(SIZE)).total.backward()
    assert any(parameter.grad.any() for parameter in detector.parts["backbone"].parameters())
    (detections,) = detector.eval().detect([torch.zeros(3, 80, 50, dtype=torch.uint8)])
    assert detections.boxes.isfinite().all()


def test_numbers_left_out_are_those_of_a_recipe_that_leaves_them_out():
    proposals = ProposalSettings()
    assert AnchorOptions() == AnchorOptions.from_settings(AnchorSettings())
    assert AnchorSampling() == AnchorSampling.from_settings(proposals)
    assert ProposalSelection() == ProposalSelection.from_settings(proposals)
    assert StageOptions() == StageOptions.from_settings(StageSettings())
    for module, settings in (
        (rcnn, RcnnSettings),
        (fast_rcnn, FastRcnnSettings),
        (faster_rcnn, FasterRcnnSettings),
    ):
        table = settings.model_fields["sampling"].default
        assert Sampling.from_settings(table) == module.PAPER_SAMPLING
