"""YOLO, version 1 to 3, and YOLO9000 are built from numbers and Literals."""

# Tests singleshot/detectors/yolo/v1.py, singleshot/detectors/yolo/v2.py
# Tests singleshot/detectors/yolo/v3.py, singleshot/detectors/yolo/yolo9000.py

import pytest
import torch
from one_convolution import OneConvolution, make_batch

from singleshot.detectors.common.single_size import InputOptions
from singleshot.detectors.yolo import v1, v2
from singleshot.detectors.yolo.losses import LossWeights
from singleshot.detectors.yolo.settings import CellWeightSettings, RegionWeightSettings
from singleshot.detectors.yolo.v1 import YoloV1
from singleshot.detectors.yolo.v2 import RegionLayerOptions, YoloV2
from singleshot.detectors.yolo.v3 import YoloV3, divide_anchors
from singleshot.detectors.yolo.word_tree import WordTree
from singleshot.detectors.yolo.yolo9000 import Yolo9000

NAMES = ("cat", "dog")
SIZE = (64, 96)
INPUTS = InputOptions(SIZE)
ANCHORS = [(16.0, 20.0), (30.0, 30.0)]


def build_v1():
    numbers = {"cells": (2, 3), "convolutions": False, "fully_connected": (16,)}
    return YoloV1(OneConvolution([16]), NAMES, INPUTS, **numbers)


def build_v2():
    layer = RegionLayerOptions(ignore_iou=0.5)
    return YoloV2(OneConvolution([16, 32]), NAMES, INPUTS, ANCHORS, layer=layer)


def build_9000():
    tree = WordTree(["animal -1", "cat 0", "dog 0"], NAMES)
    numbers = {"neck": "none", "decide": "walk", "walk_until": 0.1}
    return Yolo9000(OneConvolution([16]), NAMES, INPUTS, ANCHORS, tree, **numbers)


def build_v3():
    return YoloV3(OneConvolution([16, 32]), NAMES, INPUTS, ANCHORS, aspect="letterbox")


@pytest.mark.parametrize("build", [build_v1, build_v2, build_9000, build_v3])
def test_every_version_needs_no_recipe(build):
    torch.manual_seed(0)
    detector = build()
    detector.enter(0.0)
    detector.losses(make_batch(SIZE)).total.backward()
    assert any(parameter.grad.any() for parameter in detector.parts["backbone"].parameters())
    (detections,) = detector.eval().detect([torch.zeros(3, 80, 50, dtype=torch.uint8)])
    assert detections.boxes.isfinite().all()


def test_anchors_are_divided_evenly_from_the_finest_level_on():
    assert divide_anchors(6, 2) == [(0, 1, 2), (3, 4, 5)]
    assert divide_anchors(3, 2, [(2,), (0, 1)]) == [(2,), (0, 1)]


def test_weights_left_out_are_those_of_a_recipe_that_leaves_them_out():
    assert LossWeights.from_settings(CellWeightSettings()) == v1.PAPER_WEIGHTS
    assert LossWeights.from_settings(RegionWeightSettings()) == v2.PAPER_WEIGHTS
