"""An SSD of a few convolutions with random weights, whose scores are spread: to be exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import jaxtyping
import torch
from small import TINY
from torch import Tensor

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.detector import TrainableDetector
from singleshot.detectors.ssd.pyramid import TopDown
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe

__all__ = ["CLASSES", "make_images", "make_run", "small_recipe", "small_ssd", "unchecked_shapes"]

CLASSES = ("cat", "dog", "bird")
LEVELS: dict[str, object] = {
    "model.backbone": TINY,
    "model.input": [64, 96],
    "model.pyramid.extra": [{"squeeze": 8, "channels": 16}],
    "model.pyramid.top_down": 0,
    "model.results": {"nms": "hard", "top_k": 60, "keep": 100},
    "model.priors.sizes_unit": [0.2, 0.5, 0.8],
    "model.priors.aspect_ratios": [[2], [2, 3]],
}


def small_recipe(**overrides: object) -> Recipe:
    """The recipe, with other values of `model` by keys such as heads__scores."""
    dotted = {f"model.{key.replace('__', '.')}": value for key, value in overrides.items()}
    return load_recipe("ssdlite320-lite0", LEVELS | dotted)


def small_ssd(recipe: Recipe | None = None, classes: Sequence[str] = CLASSES) -> TrainableDetector:
    """The detector, with logits that differ from prior to prior."""
    torch.manual_seed(0)
    detector = build_detector((recipe or small_recipe()).model, classes, pretrained=False)
    for parameter in detector.heads.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    for module in detector.modules():
        if isinstance(module, TopDown):
            for parameter in module.parameters():
                if parameter.dim() > 1:
                    torch.nn.init.kaiming_normal_(parameter)
    return detector.eval()


@contextmanager
def unchecked_shapes() -> Iterator[None]:
    """Export without the checks of a test run: they would fix the number of images."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def make_run(folder: Path, recipe: Recipe | None = None, classes: Sequence[str] = CLASSES) -> Path:
    """Write the detector as a run folder."""
    recipe = recipe or small_recipe()
    weights = {name: one.cpu() for name, one in small_ssd(recipe, classes).state_dict().items()}
    checkpoint = Checkpoint(weights, recipe, tuple(classes), {"steps": 7})
    checkpoint.save(folder / "checkpoints" / "last.safetensors")
    (folder / "recipe.toml").write_text("")
    return folder


def make_images(number: int = 3) -> list[Tensor]:
    """Random images of several sizes."""
    random = torch.Generator().manual_seed(1)
    sizes = [(48, 80), (90, 60), (64, 96)]
    return [
        torch.randint(256, (3, *sizes[index % 3]), generator=random, dtype=torch.uint8)
        for index in range(number)
    ]
