"""Measuring a detector, or anyone's detections."""

from collections.abc import Callable
from pathlib import Path

from singleshot.data.dataset import DataSet
from singleshot.data.splits import evaluation_split
from singleshot.errors import SingleshotError
from singleshot.evaluation import detect_all, save_predictions
from singleshot.evaluation.operating_point import run_weights
from singleshot.evaluation.options import OnMessage, Question, Wanted, read, write_page
from singleshot.files import require_writable
from singleshot.metrics import Protocol, Report
from singleshot.models.opening import load
from singleshot.runs.places import Data, listed
from singleshot.runs.weights import RunWeights
from singleshot.structures import Detector

__all__ = ["detect_shard", "evaluate", "score"]


def evaluate(
    detector: Detector | str | Path,
    data: Data,
    *,
    split: str | None = None,
    protocol: str | Protocol = Protocol.COCO,
    iou_threshold: float = 0.5,
    diagnosis: bool = False,
    attributes: str | Path | None = None,
    against: str | Path | None = None,
    choose: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    on_message: OnMessage | None = None,
    save_predictions_to: str | Path | None = None,
    report: str | Path | None = None,
) -> Report:
    """Measure a detector on annotated images.

    Args:
        detector: anything with `detect` and `class_names`, or a run folder or checkpoint.
        data: a folder or JSON file of annotated images, or several, joined by class name.
        split: which images; left out, `test`, else `val`, else all.
        protocol: "voc07" (11 points), "voc10" (every point) or "coco".
        iou_threshold: from which overlap a detection is a hit; COCO's twelve numbers keep theirs.
        diagnosis: whether to find out where it goes wrong, too.
        attributes: a CSV table of what else is known of the images, to slice the diagnosis by.
        against: a file or folder of other detections on these images: how much better are ours?
        choose: a rule for a score threshold of each class, such as "precision=0.95"; a run keeps
            what it comes to.
        progress: told of (images done, images in all).
        on_message: called with which images were taken, and what was dropped.
        save_predictions_to: a JSON file for the detections, in COCO's format of results.
        report: a folder for `report.html`, a page that needs no other file.
    """
    wanted = Wanted.of(
        split=split,
        protocol=protocol,
        iou_threshold=iou_threshold,
        diagnosis=diagnosis,
        attributes=attributes,
        against=against,
        choose=choose,
        report=report,
        on_message=on_message,
    )
    if save_predictions_to is not None:
        require_writable(Path(save_predictions_to))
    # Asked before they are loaded: what is chosen holds for these weights and no later ones.
    weights = None if choose is None else weights_of(detector)
    measured = loaded(detector)
    dataset = measured_data(data, split, wanted.on_message, class_names=tuple(measured.class_names))
    question = Question.about(dataset, wanted)
    predictions = detect_all(measured, dataset, progress=progress)
    if save_predictions_to is not None:
        save_predictions(predictions, dataset, Path(save_predictions_to))
    result, name = question.answer(predictions), name_of(detector)
    if result.operating_point is not None:
        if weights is None:
            wanted.on_message(
                f"{name} belongs to no run: the score thresholds are told, but not kept"
            )
        else:
            weights.save_operating_point(result.operating_point)
    command = wanted.command("evaluate", name, listed(data))
    write_page(result, predictions, question, name=name, command=command)
    return result


def detect_shard(
    detector: Detector | str | Path,
    data: Data,
    *,
    shard: int,
    num_shards: int,
    save_predictions_to: str | Path,
    split: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    on_message: OnMessage | None = None,
) -> Path:
    """Find the objects in one of several shares of the images, for `score` to judge together.

    Shares 1 to `num_shards` saved in one folder are to `score` what `evaluate` would have found.
    The other arguments are those of `evaluate`.
    """
    if not 1 <= shard <= num_shards:
        raise SingleshotError(f"there is no shard {shard} of {num_shards}; they begin with 1")
    path = Path(save_predictions_to)
    require_writable(path)
    measured = loaded(detector)
    dataset = measured_data(data, split, on_message, class_names=tuple(measured.class_names))
    predictions = detect_all(
        measured, dataset, progress=progress, shard=shard - 1, num_shards=num_shards
    )
    save_predictions(predictions, dataset, path)
    return path


def score(
    predictions: str | Path,
    data: Data,
    *,
    split: str | None = None,
    protocol: str | Protocol = Protocol.COCO,
    iou_threshold: float = 0.5,
    diagnosis: bool = False,
    attributes: str | Path | None = None,
    against: str | Path | None = None,
    choose: str | None = None,
    on_message: OnMessage | None = None,
    report: str | Path | None = None,
) -> Report:
    """Measure detections that are already there, whoever made them.

    `predictions` is a file or folder: COCO results, VOC's comp4 texts, YOLO texts with scores, or
    what `predict` and `evaluate` write. The other arguments are those of `evaluate`.
    """
    wanted = Wanted.of(
        split=split,
        protocol=protocol,
        iou_threshold=iou_threshold,
        diagnosis=diagnosis,
        attributes=attributes,
        against=against,
        choose=choose,
        report=report,
        on_message=on_message,
    )
    dataset = measured_data(data, split, wanted.on_message, class_names=None)
    question = Question.about(dataset, wanted)
    found = read(Path(predictions), dataset, wanted.on_message)
    result, name = question.answer(found), str(predictions)
    command = wanted.command("score", name, listed(data))
    write_page(result, found, question, name=name, command=command)
    return result


def measured_data(
    data: Data,
    split: str | None,
    on_message: OnMessage | None,
    *,
    class_names: tuple[str, ...] | None,
) -> DataSet:
    """The images to measure on, with the labels of a model if class names are given."""
    measured = evaluation_split(listed(data), split)
    dataset = measured.dataset
    if class_names is not None:
        dataset = dataset.with_classes(class_names)
    for message in (*measured.messages, *dataset.notes):
        if on_message is not None:
            on_message(message)
    return dataset


def loaded(detector: Detector | str | Path) -> Detector:
    return load(detector) if isinstance(detector, str | Path) else detector


def weights_of(detector: Detector | str | Path) -> RunWeights | None:
    return run_weights(detector) if isinstance(detector, str | Path) else None


def name_of(detector: Detector | str | Path) -> str:
    return str(detector) if isinstance(detector, str | Path) else type(detector).__name__
