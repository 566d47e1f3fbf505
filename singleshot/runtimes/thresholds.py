"""Score thresholds of an exported model: those that were chosen for the detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from singleshot.files import write_atomically
from singleshot.metrics import Choice, OperatingPoint, Rule
from singleshot.runtimes.artifact import Artifact
from singleshot.runtimes.manifest import MANIFEST_NAME, ThresholdsRecord

__all__ = ["operating_point_of", "record_thresholds", "save_thresholds"]


def record_thresholds(point: OperatingPoint) -> ThresholdsRecord:
    """Take over what a device needs of an operating point."""
    choices = point.per_class.items()
    return ThresholdsRecord(
        rule=str(point.rule),
        iou_threshold=point.iou_threshold,
        data=point.data,
        score_thresholds={name: choice.score_threshold for name, choice in choices},
    )


def save_thresholds(artifact: Artifact, point: OperatingPoint) -> bool:
    """Write score thresholds into the manifest beside an exported model, in place of those before.

    Returns False where there is none beside it: an ONNX file alone stays as it is. Raises
    StorageError when the disk does not take it.
    """
    path = artifact.files[0].with_name(MANIFEST_NAME)
    if not path.is_file():
        return False
    record = record_thresholds(point)
    manifest = artifact.manifest.model_copy(update={"operating_point": record})
    with write_atomically(path) as beside:
        beside.write_text(manifest.to_text(), encoding="utf-8")
    return True


def operating_point_of(
    stored: ThresholdsRecord | None,
    class_names: Sequence[str],
    on_message: Callable[[str], None] | None = None,
) -> OperatingPoint | None:
    """Return the score thresholds of a manifest; None without any.

    `on_message` is called with the score from which detections are kept.
    """
    if stored is None:
        return None
    choices = {
        name: Choice(stored.score_thresholds.get(name), None, None, None, None, None)
        for name in class_names
    }
    point = OperatingPoint(Rule.parse(stored.rule), stored.iou_threshold, stored.data, choices)
    if on_message is not None:
        for sentence in point.sentences():
            on_message(sentence)
    return point
