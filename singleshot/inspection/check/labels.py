"""Labels that look wrong: a trained model is sure, and the annotation differs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from singleshot.data.dataset import DataSet
from singleshot.data.findings import Findings
from singleshot.evaluation.detection import detect_all
from singleshot.evaluation.evaluate_predictions import diagnose_predictions, evaluate_predictions
from singleshot.inspection.check.options import CheckOptions
from singleshot.metrics import Protocol
from singleshot.metrics.diagnosis import MOST_SUSPECTS, Suspect, SuspectKind
from singleshot.models.opening import as_detector
from singleshot.models.origin import training_splits

__all__ = ["check_labels"]

_KINDS: Mapping[SuspectKind, str] = {
    SuspectKind.MISSING_ANNOTATION: "suspected-missing",
    SuspectKind.WRONG_CLASS: "suspected-class",
    SuspectKind.WRONG_BOX: "suspected-box",
}


def check_labels(dataset: DataSet, model: str, options: CheckOptions, findings: Findings) -> None:
    """Find the confident detections of a model that contradict the annotation.

    Raises:
        DataError: there are objects of a class that the model does not have.
    """
    loaded = as_detector(model, options.device)
    dataset = dataset.with_classes(tuple(loaded.class_names))
    splits = training_splits(model, options.on_message)
    if splits is not None and (number := splits.count_trained(dataset)):
        options.notify(
            f"{model} was trained on {number} of these images: errors that it has learned from "
            f"them it does not find"
        )
    predictions = detect_all(
        loaded, dataset, progress=options.notify_progress, on_message=options.on_message
    )
    report = evaluate_predictions(predictions, dataset, protocol=Protocol.VOC10)
    diagnosis = diagnose_predictions(predictions, dataset, report)
    if len(diagnosis.suspects) == MOST_SUSPECTS:
        options.notify(f"of what {model} finds differently, the {MOST_SUSPECTS} surest are listed")
    for suspect in diagnosis.suspects:
        if suspect.kind in _KINDS:  # double annotations are found without a model
            _add_suspect(dataset, suspect, findings)


def _add_suspect(dataset: DataSet, suspect: Suspect, findings: Findings) -> None:
    """Add a suspected label error; of its boxes, that of the detection comes first."""
    path = str(dataset.paths[suspect.image])
    x1, y1, x2, y2 = (round(side, 1) for side in suspect.box)
    boxes = [(x1, y1, x2, y2)]
    detail = f"detected with score {suspect.score:.2f}"
    if suspect.truth >= 0:
        box = dataset.truths.boxes[suspect.truth].tolist()
        boxes.append((box[0], box[1], box[2], box[3]))
        annotated = dataset.class_names[int(dataset.truths.labels[suspect.truth])]
        detail += f", annotated as {annotated}"
    name = dataset.class_names[suspect.label]
    place = f"{PurePath(path).name}: {name} at ({x1:g}, {y1:g}, {x2:g}, {y2:g})"
    findings.add(_KINDS[suspect.kind], place, detail, image=path, boxes=tuple(boxes))
