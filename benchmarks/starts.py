"""Initial weights on BCCD: a COCO detector against ImageNet's backbone, same budget.

python -m benchmarks.starts BCCD --coco FILE --imagenet FILE --output starts.jsonl

COCO is a detector that `singleshot models import` reads, on MobileNetV2; ImageNet is torchvision's
file of that network. Both have the same levels, priors and kind of scores. Trains on `train`,
evaluates on `val`; each training adds a line to the output file and is not repeated.
"""

import argparse
import tempfile
from itertools import product
from pathlib import Path

import singleshot
from benchmarks import sweep

BUDGET = {
    "training.steps": 150,
    "model.input": [192, 256],
    "training.batch_size": 8,
    "training.precision": "float32",
    "training.average_decay": 0.98,
    "training.schedule.warm_up": 20,
    "training.schedule.kind": "cosine",
}
IMAGENET = {
    "model.backbone": {
        "kind": "torchvision",
        "name": "mobilenet_v2",
        "nodes": ["features.14.conv.0", "features.18"],
    },
    "model.pixels": {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]},
    "model.pyramid.batch_norm": True,
    "model.heads.batch_norm": True,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--imagenet", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--coco-rate", type=float, default=0.005, help="learning rate")
    parser.add_argument("--imagenet-rate", type=float, default=0.02, help="learning rate")
    arguments = parser.parse_args()
    done = sweep.done(arguments.output)
    with tempfile.TemporaryDirectory() as folder:
        coco = singleshot.import_model(arguments.coco, output=Path(folder, "coco")).folder
        starts = [
            (f"COCO, learning rate {arguments.coco_rate:g}", coco, {}, arguments.coco_rate),
            (
                f"ImageNet, learning rate {arguments.imagenet_rate:g}",
                arguments.imagenet,
                IMAGENET,
                arguments.imagenet_rate,
            ),
        ]
        for seed, (name, init, changes, rate) in product(arguments.seeds, starts):
            if (name, seed) in done:
                continue
            own = {"training.learning_rate": rate, "training.seed": seed}
            detector, seconds = sweep.train(
                coco / "recipe.toml",
                arguments.data,
                Path(folder, f"{name}-{seed}"),
                {**BUDGET, **changes, **own},
                init,
            )
            report = sweep.evaluate(detector, arguments.data)
            sweep.append(arguments.output, sweep.result(name, seed, report, seconds))
    print(sweep.table(sweep.lines(arguments.output), base=starts[1][0]))


if __name__ == "__main__":
    main()
