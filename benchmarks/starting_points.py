"""Three data sets, three initial weights: the paper's preset, modern, modern from COCO.

python -m benchmarks.starting_points BCCD VOC DIGITS --coco FILE --imagenet FILE --output FILE.jsonl

All train SSDLite on MobileNetV2 for the same number of steps at the same small input. `paper` and
`modern` are the recipe `ssdlite320-mobilenet-v2` under that preset, from ImageNet's weights of the
backbone; the third is the imported COCO detector's own recipe under `modern`. Trains on `train`,
evaluates on `val`; a data set that defines neither gets them, every fifth image for `val`. Each
training adds a line to the output file and is not repeated.
"""

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import singleshot
from benchmarks import sweep
from benchmarks.starts import BUDGET

COLUMNS = ("paper", "modern", "modern, from COCO")
PAPER_RATE, MODERN_RATE, COCO_RATE = 1e-3, 0.02, 0.005


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--imagenet", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        coco = singleshot.import_model(arguments.coco, output=Path(folder, "coco")).folder
        starts = starting_points(coco, arguments.imagenet)
        for seed, data, name in product(arguments.seeds, arguments.data, starts):
            change = f"{data.name}: {name}"
            if (change, seed) in sweep.done(arguments.output):
                continue
            recipe, init, own = starts[name]
            images = with_splits(data, Path(folder, "data", data.name))
            overrides = {**own, "training.steps": arguments.steps, "training.seed": seed}
            run = Path(folder, f"{change}-{seed}")
            detector, seconds = sweep.train(recipe, images, run, overrides, init)
            report = sweep.evaluate(detector, images)
            sweep.append(arguments.output, sweep.result(change, seed, report, seconds))
            shutil.rmtree(run)
    print(table(sweep.lines(arguments.output), [data.name for data in arguments.data]))


Way = tuple[str | Path, Path | None, Mapping[str, Any]]  # recipe, where to start from, overrides


def starting_points(coco: Path, imagenet: Path) -> dict[str, Way]:
    """Return recipe, initial weights and overrides of each column of the table."""
    own = "ssdlite320-mobilenet-v2"
    size = {key: BUDGET[key] for key in ("model.input", "training.batch_size")}
    number = {"training.precision": "float32"}
    paper = {
        **size,
        **number,
        "preset": "paper",
        "model.backbone.weights": str(imagenet),
        # The paper's training except for its number of steps.
        "training.learning_rate": PAPER_RATE,
    }
    modern = {**paper, **BUDGET, "preset": "modern", "training.learning_rate": MODERN_RATE}
    from_coco = {**BUDGET, "preset": "modern", "training.learning_rate": COCO_RATE}
    return {
        COLUMNS[0]: (own, None, paper),
        COLUMNS[1]: (own, None, modern),
        COLUMNS[2]: (coco / "recipe.toml", coco, from_coco),
    }


def with_splits(data: Path, copy: Path) -> Path:
    """Return the folder if it has a `train` and a `val`, else a linked copy that has them."""
    lists = next(data.rglob("ImageSets/Main"))
    if (lists / "train.txt").exists() and (lists / "val.txt").exists():
        return data
    linked = copy / lists.parents[1].name
    if not linked.exists():
        (linked / "ImageSets/Main").mkdir(parents=True)
        for name in ("Annotations", "JPEGImages"):
            (linked / name).symlink_to(lists.parents[1] / name)
        names = sorted(next(lists.glob("*.txt")).read_text(encoding="utf-8").split())
        chosen = {"val": names[::5], "train": [n for k, n in enumerate(names) if k % 5]}
        for split, part in chosen.items():
            (linked / f"ImageSets/Main/{split}.txt").write_text("\n".join(part) + "\n")
    return copy


def table(results: list[dict[str, Any]], data: list[str]) -> str:
    """Tabulate a row for each data set: COCO AP50 and AP over the seeds, and minutes."""
    rows = [f"| data | {' | '.join(COLUMNS)} |", "|---" * (1 + len(COLUMNS)) + "|"]
    for name in data:
        cells = [cell(results, f"{name}: {column}") for column in COLUMNS]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def cell(results: list[dict[str, Any]], change: str) -> str:
    minutes = statistics.fmean(sweep.values(results, change, "seconds")) / 60
    precision = [sweep.spread(sweep.values(results, change, key)) for key in ("AP50", "AP")]
    return f"{precision[0]}; {precision[1]}; {minutes:.1f} min"


if __name__ == "__main__":
    main()
