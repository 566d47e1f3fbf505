"""Distillation into a small detector, with all labels and with a quarter of them.

python demo/digits.py digits
python -m benchmarks.distillation digits --output benchmarks/results/distillation.jsonl

Trains two teachers on `train` first, then students on `train` and on a quarter of it, by labels
alone, with the teacher that has their priors, and with one that has a larger input. Evaluates all
on `val`; each training adds a line to the output file and is not repeated.
"""

import argparse
import shutil
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import singleshot
from benchmarks import sweep

RECIPE = "ssdlite320-lite0"
COMMON = {
    "training.batch_size": 8,
    "training.precision": "float32",
    "training.schedule.warm_up": 20,
    "training.average_decay": 0.98,
    "model.pyramid.top_down": 0,
}
SMALL_INPUT, LARGE_INPUT = [96, 128], [144, 192]
# Lite0 without its last stages, which hold three quarters of its weights.
STUDENT = {
    "training.steps": 120,
    "model.input": SMALL_INPUT,
    "model.backbone.nodes": ["blocks.2.1.add", "blocks.4.2.add"],
    "model.backbone.frozen_stride": 0,
    "model.pyramid.extra": [
        {"squeeze": squeeze, "channels": channels}
        for squeeze, channels in ((64, 256), (64, 128), (64, 128), (64, 128))
    ],
}
TEACHERS = {
    "its own priors": {"training.steps": 250, "model.input": SMALL_INPUT},
    "a larger input": {"training.steps": 250, "model.input": LARGE_INPUT},
}
QUARTER = "quarter"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder that demo/digits.py wrote")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--weights", type=float, nargs="+", default=[1.0])
    parser.add_argument("--runs", type=Path, help="folder of the teachers")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = with_quarter(arguments.data, Path(folder, "data"))
        runs = arguments.runs or Path(folder)
        teachers = {name: teacher(name, data, runs, arguments.output) for name in TEACHERS}
        settings: list[tuple[str, Path | None, dict[str, Any]]] = [("labels alone", None, {})]
        settings += [
            (f"and a teacher with {name}, weight {weight:g}", run, weighted(weight))
            for (name, run), weight in product(teachers.items(), arguments.weights)
        ]
        for seed, split, setting in product(arguments.seeds, (QUARTER, "train"), settings):
            student(split, seed, setting, data, arguments.output)
    results = sweep.lines(arguments.output)
    print(sweep.table(results, base=f"{QUARTER}: labels alone"))


def weighted(weight: float) -> dict[str, Any]:
    return {"training.distillation.weight": weight}


def with_quarter(data: Path, copy: Path) -> Path:
    """Link the images with one more split: every fourth of `train`."""
    shutil.copytree(data / "ImageSets", copy / "ImageSets")
    for part in ("JPEGImages", "Annotations"):
        (copy / part).symlink_to((data / part).resolve(), target_is_directory=True)
    names = (copy / "ImageSets/Main/train.txt").read_text().splitlines()[::4]
    (copy / f"ImageSets/Main/{QUARTER}.txt").write_text("\n".join(names) + "\n")
    return copy


def teacher(name: str, data: Path, runs: Path, output: Path) -> Path:
    """Train a teacher, unless its run exists."""
    run = runs / name.replace(" ", "-")
    if not run.exists():
        train(
            f"teacher with {name}",
            0,
            run,
            data,
            split="train",
            overrides=TEACHERS[name],
            teacher=None,
            output=output,
        )
    return run


def student(
    split: str,
    seed: int,
    setting: tuple[str, Path | None, dict[str, Any]],
    data: Path,
    output: Path,
) -> None:
    name, teacher, overrides = setting
    change = f"{split}: {name}"
    if (change, seed) in sweep.done(output):
        return
    with tempfile.TemporaryDirectory() as folder:
        train(
            change,
            seed,
            Path(folder, "run"),
            data,
            split=split,
            overrides={**STUDENT, **overrides},
            teacher=teacher,
            output=output,
        )


def train(
    change: str,
    seed: int,
    run: Path,
    data: Path,
    *,
    split: str,
    overrides: dict[str, Any],
    teacher: Path | None,
    output: Path,
) -> None:
    started = time.process_time()
    finished = singleshot.train(
        RECIPE,
        data,
        run=run,
        split=split,
        val_split="none",
        teacher=teacher,
        overrides={**COMMON, **overrides, "training.seed": seed},
    )
    seconds = time.process_time() - started
    report = singleshot.evaluate(singleshot.load(finished.folder), data, split="val")
    sweep.append(output, sweep.result(change, seed, report, seconds))


if __name__ == "__main__":
    main()
