"""Record what trainings of lessons 13 and 14 output, since the site is built without them.

    python docs/tutorial/record.py outputs RUN      what a detector outputs for the photograph
    python docs/tutorial/record.py log RUN NAME     losses, learning rates and AP of a training

The data is BCCD (https://github.com/Shenggan/BCCD_Dataset). The outputs are those of

    singleshot models import ssdlite_mnv2_coco_tfjs --output runs/imported
    singleshot train runs/imported/recipe.toml --init runs/imported --data bccd --split trainval \
        --val-split none --run runs/small --set training.steps=200 --set training.batch_size=8 \
        --set training.learning_rate=0.005 --set model.input=[192,256] \
        --set model.heads.scores=softmax

the logs `rate-…` those of the same command with 60 steps, `training.schedule.warm_up=5` and other
learning rates; the log `cells` is that of

    singleshot train ssdlite320-lite0 --data bccd --run runs/cells
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parent / "recorded"
PHOTOGRAPH = Path(__file__).parent / "images/blood.jpg"
STEPS = 5  # of a line of the log, averaged
COLUMNS = ("step", "localization", "classification", "learning_rate", "AP", "AP50", "seconds")


@torch.no_grad()
def record_outputs(run: str) -> None:
    """Write the raw outputs of a detector for the photograph, in half precision."""
    # The rest of this file needs no PyTorch detector.
    from torchvision.io import decode_image  # noqa: PLC0415

    import singleshot  # noqa: PLC0415
    from singleshot.detectors.ssd.network import Ssd  # noqa: PLC0415

    detector = singleshot.load(run)
    assert isinstance(detector, Ssd)
    offsets, logits = detector.raw_outputs(
        detector.resize_images([decode_image(str(PHOTOGRAPH), mode="RGB")])
    )[:2]
    as_halves = {"offsets": offsets[0].half().numpy(), "logits": logits[0].half().numpy()}
    levels = [(*level.grid, level.num_priors_per_cell) for level in detector.levels]
    np.savez_compressed(
        FOLDER / "outputs.npz",
        priors=detector.priors_cxcywh_unit.numpy(),  # as fractions of the input
        levels=np.array(levels, dtype=np.int16),  # rows, columns, priors in a cell
        input=np.array(detector.priors.size, dtype=np.int16),
        **as_halves,
    )


def record_log(run: str, name: str) -> None:
    """Write averages of a run's log."""
    with (FOLDER / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows_of(Path(run, "log.jsonl")))


def rows_of(log: Path) -> Iterator[dict[str, object]]:
    """Average steps, and keep evaluations."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    begin, steps = lines[0]["time"], []
    for line in lines:
        seconds = round(line["time"] - begin)
        if line["kind"] == "step":
            steps.append(line)
        if len(steps) == STEPS:
            means = {
                key: f"{np.mean([float(one[key]) for one in steps]):.4g}"
                for key in ("localization", "classification", "learning_rate")
            }
            yield {"step": line["step"], **means, "seconds": seconds}
            steps = []
        if line["kind"] == "evaluation":
            found = {"AP": line["mean_average_precision"], "AP50": line["AP50"]}
            rounded = {key: f"{value:.4f}" for key, value in found.items()}
            yield {"step": line["step"], **rounded, "seconds": seconds}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    {"outputs": record_outputs, "log": record_log}[sys.argv[1]](*sys.argv[2:])
