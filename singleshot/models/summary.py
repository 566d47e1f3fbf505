"""The size of a detector: parameters, multiply-adds, boxes and levels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from singleshot.detectors.detector import LevelSummary, TrainableDetector
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.runtimes.exported import ExportedDetector

__all__ = [
    "DetectorFacts",
    "ModelSummary",
    "facts_of",
    "numbered_classes",
    "show_model",
    "summarise",
]


@dataclass(frozen=True, slots=True)
class DetectorFacts:
    """Kind and size of a detector, whether it is trained or exported."""

    kind: str
    backbone: str
    input: tuple[int, int]  # height, width
    parameters: int
    macs: int  # multiply-adds of one image
    num_boxes: int


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """The size of a detector, as `singleshot models show` prints it."""

    recipe: str
    parameters: int
    macs: int  # multiply-adds of one image: convolutions and fully connected layers
    num_boxes: int
    input: tuple[int, int]  # height, width
    levels: tuple[LevelSummary, ...]  # with priors

    def to_json(self) -> dict[str, Any]:
        """Convert to plain lists and dictionaries; a stride equal both ways is one number."""
        document = asdict(self)
        for level in document["levels"]:
            down, across = level["stride"]
            level["stride"] = down if down == across else [down, across]
        return document


def facts_of(detector: TrainableDetector | ExportedDetector) -> DetectorFacts:
    """Count what a detector has; of an exported one, take it from the manifest."""
    if isinstance(detector, ExportedDetector):
        about = detector.manifest.detector
        return DetectorFacts(
            about.kind,
            about.backbone,
            detector.input_size,
            about.parameters,
            about.macs,
            about.num_boxes,
        )
    settings, size = detector.settings, summarise(detector, recipe="")
    return DetectorFacts(
        settings.kind,
        settings.backbone.name,
        settings.input,
        size.parameters,
        size.macs,
        size.num_boxes,
    )


def show_model(
    recipe: str | Path, num_classes: int, overrides: Mapping[str, object] | Sequence[str] = ()
) -> ModelSummary:
    """Build a recipe's network for `num_classes` (without background) and count what it has."""
    settings = load_recipe(recipe, overrides).model
    detector = build_detector(settings, numbered_classes(num_classes), pretrained=False)
    return summarise(detector, recipe=str(recipe))


def numbered_classes(number: int) -> list[str]:
    """Make up class names: "class 1", "class 2", …"""
    return [f"class {index + 1}" for index in range(number)]


def summarise(detector: TrainableDetector, recipe: str) -> ModelSummary:
    """Count parameters, multiply-adds, boxes and levels of a network."""
    return ModelSummary(
        recipe=recipe,
        parameters=sum(parameter.numel() for parameter in detector.parameters()),
        macs=count_macs(detector),
        num_boxes=detector.num_boxes,
        input=detector.settings.input,
        levels=tuple(detector.level_summaries()),
    )


@torch.no_grad()
def count_macs(detector: TrainableDetector) -> int:
    """Count multiply-adds of convolutions and fully connected layers on one image."""
    image = torch.zeros(1, 3, *detector.settings.input, device=detector.pixel_mean.device)
    training = detector.training
    with FlopCounterMode(display=False) as counter:
        detector.eval()(image)
    detector.train(training)
    flops: int = counter.get_total_flops()
    return flops // 2
