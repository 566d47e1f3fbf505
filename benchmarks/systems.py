"""Every system of the tutorial in a small form: the same images, the same minutes, one page.

python -m benchmarks.systems DATA --minutes 3 --output FOLDER [--only NAME...]

Trains each recipe with the backbone that is installed (EfficientNet-Lite0 with ImageNet's weights)
at a small input on `train` (else `trainval`), without validation, within the same wall time, and
compares all on `test` (else `val`). Existing trainings are not repeated. Also evaluates chance:
boxes of the training images, drawn at random.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import singleshot
from singleshot.boxes.geometry import to_centres, to_unit
from singleshot.data.splits import training_split
from singleshot.detectors.yolo.anchors import k_means_anchors
from singleshot.evaluation.evaluate import open_evaluation_data
from singleshot.evaluation.evaluate_predictions import truths_of
from singleshot.metrics import Predictions
from singleshot.metrics.coco import coco_numbers
from singleshot.training.options import TimeBudget

INPUT = [256, 256]
NUM_GUESSES = 100
# A few hundred steps: a short warm-up, and training images close to the test images.
SHORT: dict[str, object] = {
    "training.schedule.warm_up": 30,
    "augmentation.expand.probability": 0.0,
    "augmentation.crop.probability": 0.3,
}


def lite0(*strides: int, **more: object) -> dict[str, object]:
    name = "tf_efficientnet_lite0"
    return {"kind": "timm", "name": name, "strides": list(strides), **more}


# Regions are trained with one or two images at a time: too few for statistics of batch norm.
FROZEN = {"batch_norm": "frozen", "frozen_stride": 4}
REGIONS: dict[str, object] = {
    "preset": "modern",
    "model.input": INPUT,
    "model.backbone": lite0(8, **FROZEN),
    "model.fully_connected": [256],
    "model.dropout": 0.0,
    "model.pooled": 4,
    "training.batch_size": 4,
    "training.learning_rate": 0.01,
    "training.steps": 1000,  # fitted to the time
}
# Cropped images would need another selective search in every epoch.
SEARCHED: dict[str, object] = {**REGIONS, "augmentation.crop.probability": 0.0}
PROPOSALS: dict[str, object] = {
    "model.proposals.anchors.scales": [2, 5, 12],
    "model.proposals.min_side": 4,
    "model.proposals.after_training": 300,
    "model.proposals.after": 150,
}
YOLO: dict[str, object] = {
    "preset": "modern",
    "training.batch_size": 8,
    "training.learning_rate": 0.01,
    "training.steps": 1000,  # fitted to the time
    "augmentation.photometric.probability": 0.5,
}
# Found in the training images by clustering, as in the papers: so many.
ANCHORS = {"yolo-v2": 5, "yolo9000": 3, "yolo-v3": 9}
SYSTEMS: dict[str, dict[str, object]] = {
    "localizer": {
        "model.fully_connected": [128],
        "model.localization_weight": 30.0,
        "training.learning_rate": 0.0015,
    },
    "sliding-window": {"model.input": INPUT, "model.scales": [1.0, 1.5, 2.2, 3.3, 5.0]},
    "sliding-window-cnn": {
        "model.input": INPUT,
        "model.backbone": lite0(8, **FROZEN),
        "model.fully_connected": [128],
        "model.dropout": 0.0,
        "model.window": [64, 64],
        "model.scales": [0.8, 1.2, 1.8],
        "model.aspect_ratios": [0.6, 1.0],
        "training.batch_size": 4,
        "training.learning_rate": 0.001,
    },
    "rcnn": {
        **{key: value for key, value in SEARCHED.items() if key != "model.pooled"},
        "model.warped": 64,
        "model.context": 4,
        "model.search.regions": 500,
        "model.sampling.regions": 32,
        "model.stages.candidates": 64,
    },
    "fast-rcnn": {**SEARCHED, "model.search.regions": 1000},
    "faster-rcnn-vgg16": {**REGIONS, **PROPOSALS},
    "faster-rcnn-resnet50-fpn": {
        **{key: value for key, value in REGIONS.items() if key != "model.dropout"},
        **PROPOSALS,
        "model.backbone": lite0(8, 16, 32, **FROZEN),
        "model.top_down": 96,
        "model.proposals.anchors.scales": [3],
    },
    "rfcn-resnet101": {
        **{key: REGIONS[key] for key in REGIONS if key.startswith(("preset", "training"))},
        **PROPOSALS,
        "model.input": INPUT,
        "model.backbone": lite0(8, **FROZEN),
        "model.reduced": 0,
        "model.bins": 3,
        "model.proposals.channels": 128,
    },
    "multibox": {
        "model.input": [224, 224],
        "model.backbone": lite0(32),
        "model.classifier.backbone": lite0(32),
        "model.classifier.warped": 64,
        "model.localization_weight": 1.0,
        "training.batch_size": 8,
    },
    "yolo-v1": {
        **YOLO,
        "model.input": [224, 224],
        "model.backbone": lite0(16),
        "model.local": 32,
        "model.fully_connected": [],
        "model.dropout": 0.0,
        "training.learning_rate": 0.005,
        "training.clip_gradient": 20.0,
    },
    "yolo-v2": {
        **YOLO,
        "model.input": INPUT,
        "model.backbone": lite0(16, 32),
        "training.clip_gradient": 50.0,
    },
    "yolo9000": {
        **YOLO,
        "model.neck": "passthrough",
        "model.input": INPUT,
        "model.backbone": lite0(16, 32),
        "training.clip_gradient": 50.0,
    },
    "yolo-v3": {
        **YOLO,
        "model.input": INPUT,
        "model.backbone": lite0(8, 16, 32),
        "training.learning_rate": 0.005,
    },
    "ssdlite320-lite0": {"model.input": INPUT},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    arguments = parser.parse_args()
    runs = train_all(arguments.data, arguments.output, arguments.only, 60 * arguments.minutes)
    print(f"chance: COCO AP50 {chance(arguments.data):.4f}", flush=True)
    singleshot.compare(runs, arguments.data, published=True, report=arguments.output / "page")


def train_all(data: Path, output: Path, names: Sequence[str], seconds: float) -> list[Path]:
    runs = []
    for name in names:
        run = output / name
        if not (run / "checkpoints").exists():
            overrides = {**SHORT, **SYSTEMS[name]}
            if name in ANCHORS:
                overrides["model.anchors"] = anchors_for(data, ANCHORS[name])
            train(name, data, run, overrides, seconds)
        runs.append(run)
    return runs


def anchors_for(data: Path, number: int) -> list[list[int]]:
    """(width, height) in pixels of INPUT, smallest first (Redmon and Farhadi 2017, §2)."""
    images = training_split([data], None, "none", seed=0).train
    sizes = []
    for sample in map(images.__getitem__, range(len(images))):
        height, width = sample.image.shape[1:]
        boxes = to_centres(to_unit(sample.truth.boxes, (height, width)))
        sizes.append(boxes[:, 2:] * torch.tensor(INPUT[::-1]))
    anchors, _ = k_means_anchors(torch.cat(sizes), number, torch.Generator().manual_seed(0))
    found: list[list[int]] = anchors.round().int().tolist()
    return found


def chance(data: Path) -> float | None:
    """Compute COCO AP50 of a hundred boxes per image, drawn from the training images."""
    train_data = training_split([data], None, "none", seed=0).train
    dataset = open_evaluation_data(data, None, None, class_names=train_data.class_names)
    random = np.random.default_rng(0)
    known = truths_of(train_data)
    drawn = random.integers(len(known.labels), size=(len(dataset), NUM_GUESSES))
    scale = dataset.sizes[:, None] / train_data.sizes[known.images[drawn]]
    guesses = Predictions(
        images=np.repeat(np.arange(len(dataset)), NUM_GUESSES),
        boxes=(known.boxes[drawn] * scale[..., [1, 0, 1, 0]]).reshape(-1, 4),
        scores=random.random(drawn.size),
        labels=known.labels[drawn].flatten(),
    )
    numbers, _ = coco_numbers(guesses, truths_of(dataset), len(dataset.class_names))
    return numbers.AP50


def train(name: str, data: Path, run: Path, overrides: Mapping[str, Any], seconds: float) -> None:
    print(f"{name}: {seconds:.0f} seconds", flush=True)
    budget = TimeBudget.of(seconds)
    found = singleshot.train(
        name, data, run=run, val_split="none", overrides=overrides, time_budget=budget
    )
    if found.stopped_by is not None:
        raise SystemExit(128 + found.stopped_by)
    print(f"{name}: {found.steps} steps", flush=True)


if __name__ == "__main__":
    main()
