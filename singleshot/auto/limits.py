"""Limits of the detector that is chosen: multiply-adds, and time for an image on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from singleshot.auto import constants
from singleshot.detectors.common.settings import DetectorSettings
from singleshot.detectors.detector import TrainableDetector
from singleshot.families import build_detector
from singleshot.models.summary import count_macs
from singleshot.structures import Detector

__all__ = ["Excess", "Limits", "MeasurementSetup", "build_to_measure", "seconds_per_image"]

MOST_SCORES = 0.9  # no detection of random weights has a higher one: trained ones find few


@dataclass(frozen=True)
class MeasurementSetup:
    """Classes, image and device that a detector is measured with."""

    class_names: tuple[str, ...]
    image: UInt8[Tensor, "3 h w"]
    device: torch.device


@dataclass(frozen=True)
class Excess:
    """A limit that a detector does not keep."""

    factor: float  # of its value and the limit; more than 1
    limit: str  # the option with its value
    value: str


@dataclass(frozen=True)
class Limits:
    """Options that bound the choice."""

    latency: float | None = None  # seconds for an image
    gmac: float | None = None  # billions of multiply-adds of an image

    def __bool__(self) -> bool:
        """Return whether there is a limit at all."""
        return self.latency is not None or self.gmac is not None

    def excess(self, settings: DetectorSettings, setup: MeasurementSetup) -> Excess | None:
        """Return the limit that a detector exceeds most, None where it keeps both."""
        if not self:
            return None
        detector = build_to_measure(settings, setup.class_names)
        found = []
        if self.gmac is not None:
            value = count_macs(detector) / 1e9
            limit = f"--max-gmac {self.gmac:g}"
            found.append(Excess(value / self.gmac, limit, f"{value:.2f} GMAC"))
        if self.latency is not None:
            value = seconds_per_image(detector.to(setup.device), setup.image)
            limit = f"--max-latency {1000 * self.latency:g}ms"
            found.append(Excess(value / self.latency, limit, f"{1000 * value:.1f} ms"))
        worst = max(found, key=lambda one: one.factor)
        return worst if worst.factor > 1 else None


def build_to_measure(settings: DetectorSettings, class_names: Sequence[str]) -> TrainableDetector:
    """Build a detector with random weights that finds nothing; no random number of others is used.

    A trained detector has few candidates for NMS, one of random weights has all.
    """
    results = settings.results.model_copy(update={"score_threshold": MOST_SCORES})
    with torch.random.fork_rng(devices=[]):
        return build_detector(
            settings.model_copy(update={"results": results}), class_names, pretrained=False
        )


def seconds_per_image(detector: Detector, image: UInt8[Tensor, "3 h w"]) -> float:
    """Measure the seconds from a decoded image to its detections, the median of a few."""
    taken = []
    for number in range(constants.WARM_UP + constants.TIMED):
        start = time.perf_counter()
        detector.detect([image])[0].scores.cpu()  # waits for a GPU
        if number >= constants.WARM_UP:
            taken.append(time.perf_counter() - start)
    return statistics.median(taken)
