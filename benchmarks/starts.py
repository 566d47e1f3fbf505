"""Initial weights: a COCO detector against ImageNet's backbone, at equal steps, on several sets.

python -m benchmarks.starts bccd=bccd:train:test coco=tiny_coco:train2017:val2017
    --coco FILE --imagenet FILE --output starts.jsonl

Each data set is NAME=FOLDER:TRAIN:TEST, with the splits to train on and to evaluate on. COCO is a
detector that `singleshot models import` reads, on MobileNetV2; ImageNet is torchvision's file of
that network. Both have the same levels, priors and kind of scores, and train as the recipe has it:
from a detector with its table `fine_tuning`. Nothing is chosen on the test images: the last weights
are evaluated. Each training adds a line to the output file and is not repeated; the start itself is
evaluated, too, once for each data set.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import singleshot
from benchmarks import sweep

BUDGET = {
    "training.steps": 150,
    "training.batch_size": 8,
    "training.precision": "float32",
}
IMAGENET = {
    "model.backbone": {
        "kind": "torchvision",
        "name": "mobilenet_v2",
        "nodes": ["features.14.conv.0", "features.18"],
        "weights": "none",
    },
    "model.pixels": {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]},
    "model.pyramid.batch_norm": True,
    "model.heads.batch_norm": True,
}
NO_TRAINING = {"training.steps": 1, "training.learning_rate": 1e-12}


@dataclass(frozen=True)
class Set:
    """Annotated images with a split to train on and one to evaluate on."""

    name: str
    folder: Path
    train: str
    test: str

    @classmethod
    def parse(cls, text: str) -> "Set":
        name, _, rest = text.partition("=")
        folder, train, test = rest.rsplit(":", 2)
        return cls(name, Path(folder), train, test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Set.parse, nargs="+", metavar="NAME=FOLDER:TRAIN:TEST")
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--imagenet", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--starts", nargs="+", default=["start", "coco", "imagenet"])
    parser.add_argument("--label", default="", help="added to the name of a start")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        coco = singleshot.import_model(arguments.coco, output=Path(folder, "coco")).folder
        changes: dict[str, tuple[Path, dict[str, Any]]] = {
            "start": (coco, NO_TRAINING),
            "coco": (coco, {}),
            "imagenet": (arguments.imagenet, IMAGENET),
        }
        for seed, each, start in product(arguments.seeds, arguments.sets, arguments.starts):
            name = f"{each.name}: {start}{arguments.label}"
            if (name, seed) in sweep.done(arguments.output) or (seed and start == "start"):
                continue
            init, own = changes[start]
            begun = time.perf_counter()
            run = singleshot.train(
                coco / "recipe.toml",
                each.folder,
                split=each.train,
                val_split="none",
                init=init,
                run=Path(folder, f"{each.name}-{start}-{seed}"),
                overrides={**BUDGET, **own, "training.seed": seed},
            )
            seconds = time.perf_counter() - begun
            if run.interrupted:
                raise SystemExit("interrupted; the same command resumes")
            report = singleshot.evaluate(run.folder, each.folder, split=each.test)
            sweep.append(arguments.output, sweep.result(name, seed, report, seconds))
    print("\n".join(table(sweep.lines(arguments.output))))


def table(results: list[dict[str, Any]]) -> Iterator[str]:
    """Tabulate mean and deviation of AP over the seeds: a row a data set, a column a start."""
    pairs = [tuple(line["change"].split(": ", 1)) for line in results]
    starts = list(dict.fromkeys(start for _, start in pairs))
    yield "| AP | " + " | ".join(starts) + " |"
    yield "|---" * (1 + len(starts)) + "|"
    for name in dict.fromkeys(name for name, _ in pairs):
        scores = [sweep.values(results, f"{name}: {start}", "AP") for start in starts]
        cells = [sweep.spread(some) if some else "" for some in scores]
        yield f"| {name} | " + " | ".join(cells) + " |"
    gains = [
        statistics.fmean(sweep.values(results, f"{name}: coco", "AP"))
        - statistics.fmean(sweep.values(results, f"{name}: imagenet", "AP"))
        for name in dict.fromkeys(name for name, _ in pairs)
        if {(name, "coco"), (name, "imagenet")} <= set(pairs)
    ]
    if gains:
        yield f"\nCOCO against ImageNet, mean over the data sets: {statistics.fmean(gains):+.3f} AP"


if __name__ == "__main__":
    main()
