"""Priors fitted to a data set against a recipe's own, at equal steps, on several data sets.

python -m benchmarks.prior_fit bccd=bccd:train:test plates=plates:train:test --output fit.jsonl
python -m benchmarks.prior_fit bccd=bccd:train:test plates=plates:train:test --coverage

Each data set is NAME=FOLDER:TRAIN:TEST, with the splits to train on and to evaluate on. Priors are
fitted to the training images by `singleshot data coverage --fit`; nothing is chosen on the test
images, and the last weights are evaluated. Each training adds a line to the output file and is not
repeated. With --coverage nothing is trained: the table is of the recall of objects at IoU 0.5.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import singleshot
from benchmarks import sweep
from benchmarks.starts import Set

VARIANTS = ("default", "fitted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Set.parse, nargs="+", metavar="NAME=FOLDER:TRAIN:TEST")
    parser.add_argument("--recipe", default="ssdlite320-lite0")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--batch-size", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.coverage:
            print("\n".join(coverage_table(arguments.sets, arguments.recipe, folder)))
            return
        if arguments.output is None:
            parser.error("name a file for the results: --output FILE")
        train_all(arguments, folder)
    print("\n".join(table(sweep.lines(arguments.output))))


def train_all(arguments: argparse.Namespace, folder: Path) -> None:
    """Train each variant on each data set from each seed, unless the output has it already."""
    for seed, each, variant in product(arguments.seeds, arguments.sets, VARIANTS):
        name = f"{each.name}: {variant}"
        if (name, seed) in sweep.done(arguments.output):
            continue
        recipe = arguments.recipe
        if variant == "fitted":
            recipe = folder / f"{each.name}.toml"
            if not recipe.exists():
                fit(each, arguments.recipe, recipe)
        begun = time.perf_counter()
        run = singleshot.train(
            recipe,
            each.folder,
            split=each.train,
            val_split="none",
            run=folder / f"{each.name}-{variant}-{seed}",
            overrides={
                "training.steps": arguments.steps,
                "training.batch_size": arguments.batch_size,
                "training.precision": "float32",
                "training.seed": seed,
            },
        )
        seconds = time.perf_counter() - begun
        if run.interrupted:
            raise SystemExit("interrupted; the same command resumes")
        report = singleshot.evaluate(run.folder, each.folder, split=each.test)
        sweep.append(arguments.output, sweep.result(name, seed, report, seconds))


def fit(each: Set, recipe: str, path: Path) -> singleshot.CoverageResult:
    """Fit the priors to the training images of a data set."""
    result: singleshot.CoverageResult = singleshot.measure_coverage(
        recipe, each.folder, split=each.train, fit=path
    )
    return result


def coverage_table(sets: list[Set], recipe: str, folder: Path) -> Iterator[str]:
    """Tabulate recall and mean best IoU before and after, on the images fitted to and held out."""
    yield "| objects | recall at IoU 0.5 | fitted | mean best IoU | fitted |"
    yield "|---|---|---|---|---|"
    for each in sets:
        result = fit(each, recipe, folder / f"{each.name}.toml")
        assert result.fit is not None
        train, augmented, held_out = result.fit.gains
        for split, (_, before, after) in (
            (each.train, train),
            (f"{each.train}, augmented", augmented),
            (each.test, held_out),
        ):
            yield (
                f"| {each.name} {split} ({after.objects:,}) | {before.recall:.3f} "
                f"| {after.recall:.3f} | {before.mean_best_iou:.3f} | {after.mean_best_iou:.3f} |"
            )


def table(results: list[dict[str, Any]]) -> Iterator[str]:
    """Tabulate mean and deviation over the seeds: a row a data set, columns by variant."""
    yield "| data set | AP, default | AP, fitted | AP50, default | AP50, fitted | seeds |"
    yield "|---|---|---|---|---|---|"
    names = list(dict.fromkeys(line["change"].split(": ", 1)[0] for line in results))
    gains = []
    for name in names:
        scores = {
            (key, variant): sweep.values(results, f"{name}: {variant}", key)
            for key in ("AP", "AP50")
            for variant in VARIANTS
        }
        cells = [sweep.spread(some) if some else "" for some in scores.values()]
        number = min(map(len, scores.values()))
        yield f"| {name} | {' | '.join(cells)} | {number} |"
        if number:
            fitted, default = scores["AP", "fitted"], scores["AP", "default"]
            gains.append(statistics.fmean(fitted) - statistics.fmean(default))
    if gains:
        gain = statistics.fmean(gains)
        yield f"\nFitted against default, mean over the data sets: {gain:+.3f} AP"


if __name__ == "__main__":
    main()
