"""Ablation of the options of a recipe on BCCD: one change at a time, same budget, three seeds.

python -m benchmarks.ablation BCCD --output benchmarks/results/ablation.jsonl

Trains on `train`, evaluates on `val`. Each training adds a line to the output file and is not
repeated, so that an interrupted sweep can be resumed.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import sweep
from singleshot.detectors.common.postprocess import PostprocessOptions

RECIPE = "ssdlite320-lite0"
BUDGET = {
    "training.epochs": 8,
    "training.precision": "float32",
    "model.input": [168, 224],
    # The top-down path learns too slowly for this budget; it is a change of its own, below.
    "model.pyramid.top_down": 0,
}
SIGMOID = {"model.heads.scores": "sigmoid"}
FINE_LEVEL = {
    "model.backbone.strides": [4, 8, 16, 32],
    "model.priors.sizes_unit": [0.04, 0.075, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0],
    "model.priors.aspect_ratios": [[2], [2], [2, 3], [2, 3], [2, 3], [2, 3], [2, 3]],
}
# Changes to the recipe.
TRAINED = {
    "unchanged": {},
    "without weight averaging": {"training.average_decay": 0.0},
    "without warm-up": {"training.schedule.warm_up": 0},
    "step schedule": {"training.schedule.kind": "step"},
    "without a minimum of negatives": {"model.matching.min_negatives": 0},
    "with the top-down path": {"model.pyramid.top_down": 96},
    "a level at stride 4": FINE_LEVEL,
    "label smoothing 0.1": {"model.loss.label_smoothing": 0.1},
    "GIoU loss": {"model.loss.localization": "giou", "model.loss.localization_weight": 2.0},
    "DIoU loss": {"model.loss.localization": "diou", "model.loss.localization_weight": 2.0},
    "CIoU loss": {"model.loss.localization": "ciou", "model.loss.localization_weight": 2.0},
    "sigmoid, mined": SIGMOID,
    "focal loss": {**SIGMOID, "model.loss.classification": "focal"},
    "quality focal loss": {**SIGMOID, "model.loss.classification": "quality-focal"},
    "varifocal loss": {**SIGMOID, "model.loss.classification": "varifocal"},
    "ATSS matching": {"model.matching.rule": "atss"},
    "ATSS matching, varifocal loss": {
        **SIGMOID,
        "model.matching.rule": "atss",
        "model.loss.classification": "varifocal",
    },
    "task-aligned matching, varifocal loss": {
        **SIGMOID,
        "model.matching.rule": "task-aligned",
        "model.matching.candidates": 13,
        "model.loss.classification": "varifocal",
    },
    "SimOTA matching, varifocal loss": {
        **SIGMOID,
        "model.matching.rule": "simota",
        "model.matching.candidates": 10,
        "model.loss.classification": "varifocal",
    },
    "mosaic": {"augmentation.mosaic": 0.5},
    "mixup": {"augmentation.mixup": 0.5},
}
# Changes to the postprocessing of the unchanged detector, without another training.
POSTPROCESSING = {
    "distance-IoU NMS": {"nms": "distance"},
    "soft NMS": {"nms": "soft"},
    "weighted NMS": {"nms": "weighted"},
    "flip TTA": {"flip_tta": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=list(TRAINED), help="names of changes")
    arguments = parser.parse_args()
    done = sweep.done(arguments.output)
    for seed in arguments.seeds:
        for change in arguments.only:
            if (change, seed) not in done:
                for line in train(change, seed, arguments.data):
                    sweep.append(arguments.output, line)
    print(sweep.table(sweep.lines(arguments.output), base="unchanged"))


def train(change: str, seed: int, data: Path) -> Iterator[dict[str, Any]]:
    """Train and evaluate one change; evaluate other postprocessing of the unchanged recipe."""
    overrides = {**BUDGET, **TRAINED[change], "training.seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        detector, seconds = sweep.train(RECIPE, data, Path(folder, "run"), overrides)
    yield sweep.result(change, seed, sweep.evaluate(detector, data), seconds)
    if TRAINED[change]:
        return
    settings = detector.settings
    for name, changes in POSTPROCESSING.items():
        results = settings.results.model_copy(update=changes)
        detector.postprocess_options = PostprocessOptions.from_settings(results)
        detector.flip_tta = results.flip_tta
        yield sweep.result(name, seed, sweep.evaluate(detector, data), 0.0)


if __name__ == "__main__":
    main()
