"""Parity: how an exported model compares with the detector, on images, in size and in time.

Outputs are compared number by number, detections one by one: with those of the detector's own
`detect`, so that the resizing and the NMS of the exported model count as well.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from singleshot.benchmarking.sample_images import draw_sample_images
from singleshot.benchmarking.timing import TimingPlan, spread_images, time_in_turns
from singleshot.benchmarking.timing_process import TimingJob
from singleshot.data.dataset import DataSet
from singleshot.data.image_files.decoding import read_image
from singleshot.detectors.common.exportable import Exportable
from singleshot.detectors.common.resize import resize
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import RunFailed
from singleshot.evaluation.detection import detect_all
from singleshot.evaluation.evaluate import open_evaluation_data
from singleshot.evaluation.evaluate_predictions import evaluate_predictions
from singleshot.exporting.contracts import contract_network
from singleshot.exporting.options import ExportOptions
from singleshot.exporting.quantization.images import open_images
from singleshot.metrics import Protocol
from singleshot.metrics.speed import Speed
from singleshot.runtimes.artifact import find_artifact
from singleshot.runtimes.exported import ExportedDetector, open_exported
from singleshot.runtimes.manifest import Manifest
from singleshot.runtimes.standalone import detect as standalone
from singleshot.structures import Detections, Detector

__all__ = ["is_same", "measure_parity", "output_errors"]

NUM_IMAGES = 50  # compared, of a data set
NUM_DRAWN = 8  # where there is none
DRAWN_SIZE = (480, 640)
TIMED_IMAGES, ROUNDS = 12, 6
# Scores and corners (as a part of the image) that differ by less are the same.
SCORE_TOLERANCE, BOX_TOLERANCE = 1e-3, 2e-3
HALVES = ("float16", "bfloat16")
# Largest relative RMS error of outputs. Float32 stays below 1e-5, halves below 0.03; int8 has a
# gate of its own. What is beyond is another network, not a rounded one.
LARGEST_ERRORS = {"float32": 1e-3, **dict.fromkeys(HALVES, 0.1)}

Images = list[UInt8[Tensor, "3 _h _w"]]


def measure_parity(
    folder: Path,
    detector: TrainableDetector,
    exportable: Exportable,
    options: ExportOptions,
) -> dict[str, Any]:
    """Compare the exported model in a folder with the detector, as a part of the manifest.

    Of a format that no runtime here can run, only the size is compared.
    """
    sizes = {"pytorch": _size_of(detector), "exported": _size_of(folder)}
    document: dict[str, Any] = {"size_mb": sizes}
    if options.to not in standalone.ENGINES:
        options.notify(f"parity: models of format {options.to} cannot be run here: not compared")
        return document
    exported = open_exported(folder, options.threads)
    with _evaluated(detector), tempfile.TemporaryDirectory() as drawn:
        dataset = _open_data(detector, options)
        if dataset is None:
            paths = draw_sample_images(Path(drawn), max(NUM_DRAWN, TIMED_IMAGES), DRAWN_SIZE)
        else:
            paths = spread_images(dataset, NUM_IMAGES)
        compared = paths[:NUM_DRAWN] if dataset is None else paths
        options.notify(f"comparing with the detector on {len(compared)} images")
        images = [read_image(path) for path in compared]
        document |= {
            "data": "drawn images" if dataset is None else dataset.description,
            "images": len(images),
            "runtime": exported.runtime,
            "outputs": output_errors(exported, exportable, images),
            # Rounded scores are never quite the same: what that costs is seen in AP.
            "same_detections": _count_same(exported, detector, images)
            if exported.manifest.precision == "float32"
            else None,
            "average_precision": None
            if dataset is None
            else _average_precision(exported, detector, dataset, options),
        }
        del exported  # its threads would disturb the timing
        timed = paths[:TIMED_IMAGES]
        document["latency_ms"] = (
            None if options.skip_timing else _latency(folder, detector, timed, options)
        )
    return document


@contextmanager
def _evaluated(detector: TrainableDetector) -> Iterator[None]:
    """Let the detector detect, and leave it in the mode that it was in."""
    training = detector.training
    detector.eval()
    try:
        yield
    finally:
        detector.train(training)


def _open_data(detector: TrainableDetector, options: ExportOptions) -> DataSet | None:
    """Open the images to evaluate on, with the labels of the detector; None without data.

    With images to calibrate on, they are those that the gate measured AP on.
    """
    if options.calibrate is not None:
        return open_images(options, detector.class_names, notify=lambda _: None).evaluation
    if options.evaluate is None:
        return None
    return open_evaluation_data(
        options.evaluate,
        None,
        options.on_message,
        class_names=detector.class_names,
        reading=options.reading,
    )


def output_errors(
    exported: ExportedDetector, exportable: Exportable, images: Images
) -> dict[str, dict[str, float]]:
    """Compare outputs with those of the network in PyTorch, by their kind.

    `max_error` is the largest absolute difference, `relative_rms` the root mean square of all
    differences, relative to that of PyTorch's outputs. Empty after NMS, where places change.

    Raises RunFailed where outputs are NaN or infinite, or are those of another network.
    """
    manifest = exported.manifest
    if manifest.contract == "detections":
        return {}
    background = any(output.first_column for output in manifest.outputs)
    network = contract_network(exportable, manifest.contract, "float32", background=background)
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for image in images:
        batch = resize(image, exportable.input_size, exportable.resize)[None]
        with torch.no_grad():
            expected = [output.numpy() for output in network(batch)]
        outputs = exported.infer(exported.preprocess([image]))
        for kind, one, other in _paired(exported, outputs, expected):
            pairs.setdefault(kind, []).append((one, other))
    for kind, found in pairs.items():
        if not all(np.isfinite(one).all() for one, _ in found):
            remedy = "leave --half out" if manifest.precision in HALVES else "check the weights"
            raise RunFailed(
                f"{kind} of the exported model ({manifest.format}, {manifest.precision}) are NaN "
                f"or infinite; nothing is written; {remedy}"
            )
    errors = {kind: _errors(found) for kind, found in pairs.items()}
    _require_small(errors, manifest)
    return errors


def _require_small(errors: Mapping[str, Mapping[str, float]], manifest: Manifest) -> None:
    """Raise RunFailed where outputs differ by more than rounding explains."""
    largest = LARGEST_ERRORS.get(manifest.precision)
    for kind, found in errors.items():
        if largest is not None and found["relative_rms"] > largest:
            raise RunFailed(
                f"{kind} of the exported model ({manifest.format}, {manifest.precision}) differ "
                f"from PyTorch's: relative RMS error {found['relative_rms']:.2g}, at most "
                f"{largest:g}; nothing is written; a converter has changed the network: export to "
                f"another format, and report this with the recipe and the converter's version"
            )


def _paired(
    exported: ExportedDetector, outputs: Mapping[str, np.ndarray], expected: Sequence[np.ndarray]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield kind, output and PyTorch's output in the same layout, of the first image."""
    for description, other in zip(exported.manifest.outputs, expected, strict=True):
        one = outputs[description.name][0]
        yield (
            description.kind,
            one.transpose(2, 0, 1) if description.layout == "NHWC" else one,
            other[0],
        )


def _errors(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Compute the largest and the relative error of some outputs."""
    ours = np.concatenate([one.ravel() for one, _ in pairs]).astype(np.float64)
    theirs = np.concatenate([other.ravel() for _, other in pairs]).astype(np.float64)
    rms = float(np.sqrt(np.mean(theirs**2)))
    error = float(np.sqrt(np.mean((ours - theirs) ** 2)))
    return {
        "max_error": float(np.abs(ours - theirs).max()),
        "relative_rms": error / rms if rms else 0.0,
    }


def _count_same(exported: ExportedDetector, detector: TrainableDetector, images: Images) -> int:
    """Count the images in which both detect the same."""
    options = exported.postprocess_options
    return sum(
        is_same(
            exported.detect([image])[0],
            detector.detect([image])[0],
            (image.shape[1], image.shape[2]),
            score_threshold=options.score_threshold,
            keep=options.keep,
        )
        for image in images
    )


def is_same(
    ones: Detections,
    others: Detections,
    size: tuple[int, int],
    *,
    score_threshold: float,
    keep: int,
) -> bool:
    """Return whether both detect the same in an image of (height, width) `size`.

    Each detection has one of the other with the same label, and nearly the same score and box.
    Those whose score is hardly above the threshold may lack it, or, where as many were found as are
    kept, above that of the last.
    """
    lowest = [float(found.scores.min()) for found in (ones, others) if len(found) == keep]
    above = max([score_threshold, *lowest]) + SCORE_TOLERANCE
    pairs = ((ones, others.to(ones.scores.device)), (others.to(ones.scores.device), ones))
    return all(_has_partners(found[found.scores > above], among, size) for found, among in pairs)


def _has_partners(found: Detections, among: Detections, size: tuple[int, int]) -> bool:
    """Return whether each detection has a partner among others."""
    if not len(found) or not len(among):
        return not len(found)
    tolerance = BOX_TOLERANCE * max(size)
    same_label = found.labels[:, None] == among.labels
    same_score = (found.scores[:, None] - among.scores).abs() < SCORE_TOLERANCE
    same_box = ((found.boxes[:, None] - among.boxes).abs() < tolerance).all(dim=2)
    return bool((same_label & same_score & same_box).any(dim=1).all())


def _average_precision(
    exported: ExportedDetector,
    detector: TrainableDetector,
    dataset: DataSet,
    options: ExportOptions,
) -> dict[str, Any]:
    """Evaluate both on a data set, by COCO's protocol."""
    options.notify(f"evaluating both on {len(dataset)} images")
    found: dict[str, Detector] = {"pytorch": detector, "exported": exported}
    values = {
        name: evaluate_predictions(
            detect_all(one, dataset, on_message=options.on_message),
            dataset,
            protocol=Protocol.COCO,
        ).mean_average_precision
        for name, one in found.items()
    }
    return {**values, "images": len(dataset)}


def _latency(
    folder: Path, detector: TrainableDetector, images: Sequence[Path], options: ExportOptions
) -> dict[str, Any] | None:
    """Time both in turns, each in a process of its own; medians in milliseconds of one image."""
    if detector.source is None:
        options.notify("the detector is of no file: not timed")
        return None
    threads = options.threads or None
    jobs = [
        TimingJob(name, images, model=model, device="cpu", threads=threads)
        for name, model in (("pytorch", detector.source), ("exported", folder))
    ]
    options.notify("timing both in turns; keep the machine free meanwhile")
    plan = TimingPlan({1: len(images) // ROUNDS + 1}, rounds=ROUNDS)
    timings = time_in_turns(jobs, plan, lambda _: None)
    rows = {job.name: _phases(own.speeds[0]) for job, own in zip(jobs, timings, strict=True)}
    return {**rows, "threads": options.threads, "processor": timings[0].machine.processor}


def _phases(speed: Speed) -> dict[str, float | None]:
    """Return the median of each phase."""
    return {
        "preprocess": speed.preprocess_ms,
        "network": speed.network_ms,
        "postprocess": speed.postprocess_ms,
        "total": speed.total_ms,
    }


def _size_of(model: Path | TrainableDetector) -> float | None:
    """Measure the files of a model, in MB; None where there are none."""
    if isinstance(model, TrainableDetector):
        return None if model.source is None else model.source.stat().st_size / 1e6
    artifact = find_artifact(model)
    assert artifact is not None
    return artifact.num_bytes / 1e6
