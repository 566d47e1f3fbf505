"""Overrides that make every recipe small enough to overfit four images in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cells import COLOURS, make_image

__all__ = ["SMALL", "TINY", "make_four", "small"]

# A backbone of two convolutions, at stride 16.
TINY: dict[str, object] = {
    "kind": "graph",
    "name": "tiny",
    "outputs": ["relu2"],
    "layers": [
        {"operation": "convolution", "name": "conv1", "input": "image", "channels": 12}
        | {"kernel": 4, "stride": 4},
        {"operation": "relu", "name": "relu1", "input": "conv1"},
        {"operation": "convolution", "name": "conv2", "input": "relu1", "channels": 12}
        | {"kernel": 4, "stride": 4},
        {"operation": "relu", "name": "relu2", "input": "conv2"},
    ],
}

# Instead of the paper's network; batch norm keeps its statistics, as in the papers on regions.
SMALL_REGIONS: dict[str, object] = {
    "model.backbone.kind": "timm",
    "model.backbone.name": "tf_efficientnet_lite0",
    "model.backbone.strides": [8],
    "model.backbone.batch_norm": "frozen",
    "training.learning_rate": 0.01,
    "training.clip_gradient": 5.0,
    "training.steps": 40,
}
SMALL_BACKBONE: dict[str, object] = {
    "kind": "timm",
    "name": "tf_efficientnet_lite0",
    "strides": [16],
    "batch_norm": "frozen",
    "frozen_stride": 8,
}
SMALL_PROPOSALS: dict[str, object] = {
    "model.proposals.anchors.scales": [2, 4, 8],
    "model.proposals.min_side": 4,
    "model.proposals.sampled": 64,
    "model.proposals.after_training": 64,
    "model.proposals.after": 32,
}

SMALL_YOLO: dict[str, object] = {
    "model.backbone.kind": "timm",
    "model.backbone.name": "tf_efficientnet_lite0",
    "model.backbone.strides": [16, 32],
    "model.backbone.batch_norm": "frozen",
    "training.learning_rate": 0.003,
    "training.clip_gradient": 10.0,
    "training.steps": 60,
}
SMALL_ANCHORS = [[24, 30], [32, 32], [40, 26]]
ANIMALS = ["cat 2", "dog 2", "bird 2"]

# Overrides besides the size of the input and the length of the training.
SMALL: dict[str, dict[str, object]] = {
    "rcnn": {
        **SMALL_REGIONS,
        "model.warped": 48,
        "model.context": 4,
        "model.fully_connected": [64],
        "model.sampling.regions": 16,
        "model.stages.candidates": 32,
    },
    "fast-rcnn": {
        **SMALL_REGIONS,
        "model.pooled": 4,
        "model.fully_connected": [256],
        "model.dropout": 0.0,
    },
    "faster-rcnn-vgg16": {
        **SMALL_REGIONS,
        **SMALL_PROPOSALS,
        "model.pooled": 4,
        "model.fully_connected": [256],
        "model.dropout": 0.0,
    },
    "faster-rcnn-resnet50-fpn": {
        **SMALL_REGIONS,
        **SMALL_PROPOSALS,
        "model.backbone.strides": [8, 16],
        "model.proposals.anchors.scales": [3],
        "model.top_down": 32,
        "model.pooled": 4,
        "model.fully_connected": [256],
    },
    "rfcn-resnet101": {
        **SMALL_REGIONS,
        **SMALL_PROPOSALS,
        "model.proposals.channels": 64,
        "model.reduced": 0,
        "model.bins": 3,
        "training.clip_gradient": 2.0,
        "training.steps": 50,
    },
    "localizer": {
        "model.backbone.frozen_stride": 8,
        "model.fully_connected": [64, 64],
        "training.steps": 40,
    },
    "sliding-window": {
        "model.window": [32, 32],
        "model.scales": [1.0, 1.26, 1.59],
        "model.aspect_ratios": [0.7, 1.0, 1.4],
        "training.steps": 100,
    },
    "sliding-window-cnn": {
        **SMALL_REGIONS,
        "model.backbone.frozen_stride": 4,
        "model.window": [32, 32],
        "model.scales": [1.0, 1.26, 1.59],
        "model.aspect_ratios": [0.7, 1.0, 1.4],
        "model.fully_connected": [32],
        "model.dropout": 0.0,
        "model.results.nms": "weighted",
        "training.learning_rate": 0.005,
        "training.steps": 30,
    },
    "multibox": {
        "model.backbone": SMALL_BACKBONE,
        "model.classifier.backbone": SMALL_BACKBONE,
        "model.classifier.warped": 48,
        "model.classifier.proposals": 8,
        "model.classifier.begins": 0.7,
        "model.localization_weight": 30.0,
        "training.learning_rate": 0.003,
        "training.steps": 80,
    },
    "yolo-v1": {
        **SMALL_YOLO,
        "model.convolutions": False,
        "model.fully_connected": [128],
        "model.dropout": 0.0,
    },
    "yolo-v2": {**SMALL_YOLO, "model.anchors": SMALL_ANCHORS},
    "yolo9000": {
        **SMALL_YOLO,
        "model.backbone.strides": [16],
        "model.anchors": SMALL_ANCHORS,
        "model.tree": ["thing -1", "cell 0", "animal 0", "RBC 1", "WBC 1", *ANIMALS],
        "training.steps": 120,
    },
    "yolo-v3": {**SMALL_YOLO, "model.anchors": [*SMALL_ANCHORS, *SMALL_ANCHORS]},
}


def small(recipe: str) -> dict[str, object]:
    """Overrides of a recipe: a small input and network, no augmentation, few steps."""
    return {
        "model.input": [96, 128],
        "augmentation.photometric.probability": 0.0,
        "augmentation.expand.probability": 0.0,
        "augmentation.crop.probability": 0.0,
        "augmentation.flip": 0.0,
        "training.average_decay": 0.9,
        "training.batch_size": 4,
        "training.steps": 100,
        "training.schedule.warm_up": 10,
        "training.workers": 0,
        **SMALL.get(recipe, {}),
    }


def make_four(folder: Path) -> Path:
    """Write four images of one cell each, two of either class, as a VOC folder."""
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    random = np.random.default_rng(0)
    kinds = [{name: colour} for name, colour in COLOURS.items()] * 2
    names = [f"image_{index}" for index in range(len(kinds))]
    (folder / "ImageSets/Main/train.txt").write_text("\n".join(names) + "\n")
    for name, kind in zip(names, kinds, strict=True):
        make_image(folder, name, kind, random)
    return folder
