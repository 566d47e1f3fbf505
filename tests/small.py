"""Every recipe made small enough to learn four pictures by heart in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cells import COLOURS, make_picture

__all__ = ["make_four", "small"]

# What to override beside the size of the input and the length of the training.
SMALL: dict[str, dict[str, object]] = {
    "localizer": {
        "model.fully_connected": [64, 64],
        "training.learning_rate": 0.01,
        "training.steps": 100,
    },
}


def small(recipe: str) -> dict[str, object]:
    """Overrides: a small input and network, pictures as they are, and few steps."""
    return {
        "model.input": [96, 128],
        "augmentation.photometric.probability": 0.0,
        "augmentation.expand.probability": 0.0,
        "augmentation.crop.probability": 0.0,
        "augmentation.flip": 0.0,
        "training.average_decay": 0.9,
        "training.batch_size": 4,
        "training.steps": 120,
        "training.schedule.warm_up": 10,
        "training.workers": 0,
        **SMALL.get(recipe, {}),
    }


def make_four(folder: Path) -> Path:
    """Four pictures of one cell each, two of either kind, as a VOC folder."""
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    random = np.random.default_rng(0)
    kinds = [{name: colour} for name, colour in COLOURS.items()] * 2
    names = [f"picture_{index}" for index in range(len(kinds))]
    (folder / "ImageSets/Main/train.txt").write_text("\n".join(names) + "\n")
    for name, kind in zip(names, kinds, strict=True):
        make_picture(folder, name, kind, random)
    return folder
