"""Validate a detector during the training and report on it afterwards, in all processes."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from singleshot.data.dataset import DataSet
from singleshot.detectors.detector import TrainableDetector
from singleshot.evaluation.detection import detect_all
from singleshot.evaluation.evaluate_predictions import (
    evaluate_predictions,
    truths_of,
    with_confidence,
)
from singleshot.evaluation.page import write_evaluation_page
from singleshot.metrics import Predictions, Protocol
from singleshot.metrics.coco import coco_numbers
from singleshot.models.opening import load
from singleshot.runs.folder import RunFolder
from singleshot.runs.splits import splits_of_model
from singleshot.structures import Detector
from singleshot.training.loop import Evaluate, Scores
from singleshot.training.processes import Processes
from singleshot.training.run_images import save_detections

__all__ = ["BATCH_SIZE", "report_on_validation", "validation_on"]

BATCH_SIZE = 8  # images


def report_on_validation(
    folder: RunFolder,
    validation: DataSet,
    command: str,
    processes: Processes,
    device: torch.device,
) -> str:
    """Write the report page of a run; returns how sure its validation is, in the first process."""
    predictions = detect_together(load(folder.path, device), validation, processes)
    if predictions is None:
        return ""
    splits = splits_of_model(folder.path)
    report = evaluate_predictions(predictions, validation, protocol=Protocol.COCO)
    report = with_confidence(report, predictions, validation)
    write_evaluation_page(
        predictions,
        validation,
        report=report.with_training_images(splits.count_trained(validation) if splits else 0),
        model=str(folder.path),
        command=command,
        path=folder.report,
    )
    assert report.confidence_interval is not None
    sure, note = report.confidence_interval.sentence(), report.confidence_interval.note()
    return "; ".join(part for part in (f"validation {sure}" if sure else "", note) if part)


def validation_on(dataset: DataSet, processes: Processes, image: Path | None = None) -> Evaluate:
    """Make the function that evaluates a detector on a data set, by COCO's rules.

    It also draws some of the detections, if it is given the path of an `image`.
    """

    def validate(detector: nn.Module, between: Callable[[], None]) -> Scores:
        assert isinstance(detector, TrainableDetector)
        # Batch norm without synchronisation has other statistics in each process.
        processes.broadcast_tensors(detector.buffers())
        found = detect_together(detector, dataset, processes, between)
        if found is not None and image is not None:
            save_detections(found, dataset, image)
        scores = processes.broadcast(None if found is None else _scores(found, dataset))
        assert scores is not None  # the first process has all detections
        return scores

    return validate


def _scores(predictions: Predictions, dataset: DataSet) -> Scores:
    names = dataset.class_names
    numbers, per_class = coco_numbers(predictions, truths_of(dataset), len(names))
    return Scores(
        AP=numbers.AP or 0.0,
        AP50=numbers.AP50 or 0.0,
        per_class=dict(zip(names, per_class, strict=True)),
    )


def detect_together(
    detector: Detector,
    dataset: DataSet,
    processes: Processes,
    between: Callable[[], None] = lambda: None,
) -> Predictions | None:
    """Detect in all images, each process in its share; None but in the first process.

    `between` is called after each batch, as often by every process.
    """
    shard = detect_all(
        detector,
        dataset,
        batch_size=BATCH_SIZE,
        progress=lambda *_: between(),
        shard=processes.rank,
        num_shards=processes.world_size,
    )
    num_batches = -(-len(dataset) // BATCH_SIZE)
    if processes.rank >= num_batches % processes.world_size > 0:
        between()  # others have one batch more
    shards = processes.all_gather(shard)
    return Predictions.merge(shards) if processes.is_first else None
