"""What each switch of a recipe is worth on BCCD: one change at a time, same budget, three seeds.

python -m benchmarks.ablation BCCD --output benchmarks/results/ablation.jsonl

Trains on `train`, measures on `val`. A line for each training goes to the output file; what is
there already is not done again, so that the sweep can be stopped and gone on with.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import singleshot
from singleshot.metrics import Report

RECIPE = "ssdlite320-lite0"
BUDGET = {
    "training.epochs": 10,
    "training.precision": "float32",
    "model.input": [192, 256],
}
SIGMOID = {"model.heads.scores": "sigmoid"}
FINE_LEVEL = {
    "model.backbone.strides": [4, 8, 16, 32],
    "model.priors.sizes_unit": [0.04, 0.075, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0],
    "model.priors.aspect_ratios": [[2], [2], [2, 3], [2, 3], [2, 3], [2, 3], [2, 3]],
}
# Changes to the recipe; what begins with "without" takes something out of it.
TRAINED = {
    "as it is": {},
    "without the average of weights": {"training.average_decay": 0.0},
    "without warm-up": {"training.schedule.warm_up": 0},
    "step schedule": {"training.schedule.kind": "step"},
    "without least negatives": {"model.matching.min_negatives": 0},
    "without the top-down path": {"model.pyramid.top_down": 0},
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
# Changes that need no training of their own: made to the detector of "as it is".
MEASURED = {
    "distance-IoU suppression": {"suppression": "distance"},
    "soft suppression": {"suppression": "soft"},
    "weighted suppression": {"suppression": "weighted"},
    "mirrored picture, too": {"mirror": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=list(TRAINED), help="names of changes")
    arguments = parser.parse_args()
    done = {(line["change"], line["seed"]) for line in lines(arguments.output)}
    for seed in arguments.seeds:
        for change in arguments.only:
            if (change, seed) not in done:
                for line in train(change, seed, arguments.data):
                    with arguments.output.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
    print(table(lines(arguments.output)))


def train(change: str, seed: int, data: Path) -> list[dict[str, object]]:
    """One training, measured; and, of the recipe as it is, every other way to measure it."""
    overrides = {**BUDGET, **TRAINED[change], "training.seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run = singleshot.train(
            RECIPE,
            data,
            run=Path(folder, "run"),
            split="train",
            val_split="none",
            overrides=overrides,
        )
        seconds = time.perf_counter() - started
        detector = singleshot.load(run.folder)
        found = [result(change, seed, measured(detector, data), seconds)]
        if not TRAINED[change]:
            settings = detector.settings
            for name, changes in MEASURED.items():
                results = settings.results.model_copy(update=changes)
                detector.settings = settings.model_copy(update={"results": results})
                found.append(result(name, seed, measured(detector, data), 0.0))
    return found


def measured(detector: object, data: Path) -> Report:
    return singleshot.evaluate(detector, data, split="val")


def result(change: str, seed: int, report: Report, seconds: float) -> dict[str, object]:
    assert report.coco is not None
    return {
        "change": change,
        "seed": seed,
        "AP": round(report.coco.AP, 5),
        "AP50": round(report.coco.AP50, 5),
        "seconds": round(seconds, 1),
    }


def lines(path: Path) -> list[dict[str, object]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def table(results: list[dict[str, object]]) -> str:
    """Mean and spread over the seeds, and the difference of the means to the recipe as it is."""
    rows = ["| change | AP | AP50 | AP, difference | seeds |", "|---|---|---|---|---|"]
    base = mean(results, "as it is", "AP")
    for change in dict.fromkeys(str(line["change"]) for line in results):
        cells = [spread(results, change, key) for key in ("AP", "AP50")]
        gain = mean(results, change, "AP") - base
        count = len(values(results, change, "AP"))
        rows.append(f"| {change} | {cells[0]} | {cells[1]} | {gain:+.3f} | {count} |")
    return "\n".join(rows)


def values(results: list[dict[str, object]], change: str, key: str) -> list[float]:
    return [float(str(line[key])) for line in results if line["change"] == change]


def mean(results: list[dict[str, object]], change: str, key: str) -> float:
    return statistics.fmean(values(results, change, key))


def spread(results: list[dict[str, object]], change: str, key: str) -> str:
    found = values(results, change, key)
    deviation = statistics.stdev(found) if len(found) > 1 else 0.0
    return f"{statistics.fmean(found):.3f} ± {deviation:.3f}"


if __name__ == "__main__":
    main()
