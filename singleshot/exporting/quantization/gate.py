"""The gate: whether a quantised model is close enough to the detector.

Two measures, since each is blind where the other is not. AP is what counts, but on a hundred images
it moves by half a point for no reason: the paired bootstrap shows how far. The error of the raw
outputs is precise on a few images and ranks settings, but does not tell what they are worth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from singleshot.data.dataset import DataSet
from singleshot.evaluation.evaluate_predictions import evaluate_predictions, truths_of
from singleshot.exporting.contracts import ContractNetwork
from singleshot.exporting.quantization.images import spread
from singleshot.metrics import Predictions, Protocol, compare_by_bootstrap
from singleshot.runtimes.exported import ExportedDetector
from singleshot.runtimes.standalone import detect as standalone
from singleshot.structures import Detections

__all__ = ["Gate", "Measurement", "NetworkEngine"]

PROTOCOL = Protocol.COCO
NUM_COMPARED = 64  # images whose raw outputs are compared

Raw = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Measurement:
    """Losses of a quantised model against the detector."""

    average_precision: float | None  # None without objects in the images
    drop: float | None  # in points; below 0 where it gains
    drop_low: float | None  # 95 % interval of the drop; None where images are too few
    drop_high: float | None
    offsets_error: float  # relative RMS error
    logits_error: float

    @property
    def error(self) -> float:
        """The larger error; infinite where outputs are NaN."""
        errors = (self.offsets_error, self.logits_error)
        return math.inf if any(map(math.isnan, errors)) else max(errors)

    def __str__(self) -> str:
        words = [f"error of offsets {self.offsets_error:.3f}, of logits {self.logits_error:.3f}"]
        if self.drop is not None and self.average_precision is not None:
            interval = ""
            if self.drop_low is not None:
                interval = f", 95 % interval {self.drop_low:.1f} to {self.drop_high:.1f}"
            words.insert(
                0, f"AP {100 * self.average_precision:.1f} (drop {self.drop:.2f}{interval})"
            )
        return "; ".join(words)


class NetworkEngine(standalone.Engine):
    """The network itself in the place of a runtime, with raw outputs."""

    def __init__(self, network: ContractNetwork) -> None:
        self.network = network
        self.names = [one.name for one in network.outputs(1)]
        self.runtime = f"torch {torch.__version__}"

    @torch.no_grad()
    def run(self, batch: np.ndarray) -> Raw:
        """Run the network on a batch."""
        outputs = self.network(torch.from_numpy(batch))
        return {name: one.numpy() for name, one in zip(self.names, outputs, strict=True)}


class Gate:
    """Measures models with raw outputs against the detector, on the same images."""

    def __init__(
        self, dataset: DataSet, reference: ExportedDetector, *, max_drop: float, max_error: float
    ) -> None:
        """`reference` computes in floating point; `dataset` has its classes."""
        self.dataset, self.max_drop, self.max_error = dataset, max_drop, max_error
        self.compared = frozenset(spread(len(dataset), NUM_COMPARED))
        self.truths = truths_of(dataset)
        self.predictions, self.raw = self._detect(reference)
        self.average_precision = self._average_precision(self.predictions)

    def measure(self, detector: ExportedDetector) -> Measurement:
        """Detect in all images, and compare."""
        predictions, raw = self._detect(detector)
        errors = {kind: _relative_error(raw[kind], self.raw[kind]) for kind in raw}
        compared = compare_by_bootstrap(
            predictions,
            self.predictions,
            self.truths,
            self.dataset.class_names,
            protocol=PROTOCOL,
        ).mean_average_precision
        return Measurement(
            self._average_precision(predictions),
            _points(compared.difference),
            _points(compared.high),
            _points(compared.low),
            errors["offsets"],
            errors["logits"],
        )

    def passes(self, measured: Measurement) -> bool:
        """Tell whether a model loses no more than it may."""
        # Without objects there is no AP: the error alone decides.
        has_ap = measured.drop is None or measured.drop <= self.max_drop + 1e-9
        return has_ap and measured.error <= self.max_error

    def _detect(
        self, detector: ExportedDetector
    ) -> tuple[Predictions, Mapping[str, Sequence[np.ndarray]]]:
        """Detect in all images; also return the raw outputs of some, joined by kind."""
        raw: dict[str, list[np.ndarray]] = {"offsets": [], "logits": []}

        def each() -> Iterator[Detections]:
            for index in range(len(self.dataset)):
                image = self.dataset[index].image
                outputs = detector.infer(detector.preprocess([image]))
                if index in self.compared:
                    for kind, values in _raw_outputs(detector, outputs).items():
                        raw[kind].append(values)
                yield from detector.postprocess(outputs, [(image.shape[1], image.shape[2])])

        with torch.inference_mode():
            return Predictions.of(each()), raw

    def _average_precision(self, predictions: Predictions) -> float | None:
        return evaluate_predictions(
            predictions, self.dataset, protocol=PROTOCOL
        ).mean_average_precision


def _raw_outputs(detector: ExportedDetector, outputs: Mapping[str, Any]) -> Raw:
    """Join the raw outputs of an image by kind, each level with its channels last."""
    joined: dict[str, list[np.ndarray]] = {"offsets": [], "logits": []}
    for one in detector.manifest.outputs:
        values = outputs[one.name][0]
        if one.layout == "NCHW":
            values = values.transpose(1, 2, 0)
        joined[one.kind].append(values.reshape(-1))
    return {kind: np.concatenate(values) for kind, values in joined.items()}


def _relative_error(outputs: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> float:
    """Compute the root mean square of the difference, by that of the reference."""
    pairs = list(zip(outputs, reference, strict=True))
    difference = sum(float(np.square(one - other, dtype=np.float64).sum()) for one, other in pairs)
    norm = sum(float(np.square(other, dtype=np.float64).sum()) for _, other in pairs)
    return float(np.sqrt(difference / max(norm, 1e-30)))


def _points(difference: float | None) -> float | None:
    """Convert a difference of average precisions to a drop in points."""
    return None if difference is None else -100 * difference
