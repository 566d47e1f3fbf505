"""Evaluate a detector, or detections from a file, on annotated images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from singleshot.data.assembly import ImageUse
from singleshot.data.dataset import DataSet
from singleshot.data.reading import AS_IT_IS, ReadingOptions
from singleshot.data.splits import evaluation_split
from singleshot.errors import SingleshotError
from singleshot.evaluation.attributes import read_attributes
from singleshot.evaluation.detection import detect_all
from singleshot.evaluation.evaluate_predictions import (
    diagnose_predictions,
    evaluate_predictions,
    truths_of,
    with_confidence,
)
from singleshot.evaluation.operating_point import run_weights
from singleshot.evaluation.options import EvaluationOptions, ScoreOptions
from singleshot.evaluation.predictions import load_predictions, write_predictions
from singleshot.files import require_writable
from singleshot.metrics import (
    OperatingPoint,
    Predictions,
    Protocol,
    Report,
    choose_thresholds,
    compare_by_bootstrap,
)
from singleshot.metrics.coco_matching import limit_note
from singleshot.models.locating import Model, exported_model
from singleshot.models.origin import training_splits
from singleshot.options import DataPaths, Device, as_paths, takes
from singleshot.prediction.tile_options import TileSize, WithTiles
from singleshot.runs.callbacks import OnMessage
from singleshot.runs.display import image_display
from singleshot.runs.splits import SET_ASIDE, RunSplits
from singleshot.runs.weights import RunWeights
from singleshot.runtimes.thresholds import save_thresholds

__all__ = ["detect_shard", "evaluate", "open_evaluation_data", "score"]


@takes(EvaluationOptions)
def evaluate(detector: Model, options: EvaluationOptions) -> Report:
    """Evaluate a detector on annotated images.

    Args:
        detector: anything with `detect` and `class_names`, or a run folder or checkpoint.
    """
    with options.displayed() as shown:
        return _evaluate(detector, shown)


def _evaluate(detector: Model, options: EvaluationOptions) -> Report:
    """Evaluate as `evaluate` does, with the functions of a display."""
    # Imports timm, which `score` does without.
    from singleshot.models.opening import as_detector  # noqa: PLC0415
    from singleshot.prediction.tiling import in_tiles  # noqa: PLC0415

    name = str(detector) if isinstance(detector, str | Path) else type(detector).__name__
    # Hashed before they are loaded: the thresholds hold for these weights, not for later ones.
    weights = weights_to_choose_for(detector) if options.threshold_rule else None
    loaded = in_tiles(as_detector(detector, options.device), options)
    splits = _splits_of(detector, options.on_message)
    dataset = open_evaluation_data(
        options.data,
        options.split,
        options.on_message,
        class_names=tuple(loaded.class_names),
        splits=splits,
        reading=options.reading,
    )
    evaluation = Evaluation.prepare(dataset, options)
    num_trained = 0 if splits is None else splits.count_trained(dataset)
    predictions = detect_all(
        loaded, dataset, progress=options.notify_progress, on_message=options.on_message
    )
    if options.save_predictions is not None:
        write_predictions(predictions, dataset, Path(options.save_predictions))
    report = evaluation.run(predictions).with_training_images(num_trained)
    if report.warning is not None:
        options.notify(f"warning: {report.warning}")
    if report.operating_point is not None:
        if weights is not None:
            weights.save_operating_point(report.operating_point)
        elif not _keep_in_export(detector, report.operating_point):
            options.notify(
                f"{name} belongs to no run: its score thresholds are printed, but not kept"
            )
    evaluation.write_page(report, predictions, name, options.to_command("evaluate", name))
    return report


@takes(ScoreOptions)
def score(predictions: str | Path, options: ScoreOptions) -> Report:
    """Evaluate detections from a file, whichever tool made them.

    Args:
        predictions: a file or folder: COCO results, VOC comp4 text, YOLO text with scores, or what
            `predict` and `evaluate` write.
    """
    with options.displayed() as shown:
        return _score(predictions, shown)


def _score(predictions: str | Path, options: ScoreOptions) -> Report:
    """Score as `score` does, with the functions of a display."""
    dataset = open_evaluation_data(
        options.data,
        options.split,
        options.on_message,
        reading=options.reading,
        images="optional",  # where they are, their boxes are turned and scaled as in `evaluate`
    )
    evaluation = Evaluation.prepare(dataset, options)
    loaded = read_predictions(Path(predictions), dataset, options)
    report = evaluation.run(loaded)
    name = str(predictions)
    evaluation.write_page(report, loaded, name, options.to_command("score", name))
    return report


def detect_shard(
    detector: Model,
    data: DataPaths,
    *,
    shard: tuple[int, int],
    save_predictions: str | Path,
    split: str | None = None,
    device: Device = "auto",
    tile: TileSize | None = None,
    tile_overlap: float = 0.2,
    reading: ReadingOptions = AS_IT_IS,
    progress: bool | Callable[[int, int], None] | None = None,
    on_message: OnMessage | None = None,
) -> Path:
    """Save the detections in one of several shares of the images, to `score` them together.

    Args:
        detector: anything with `detect` and `class_names`, or a run folder or checkpoint.
        data: a folder or file of annotated images.
        shard: the number of this share, from 1, and the number of shares. Shares 1 to N saved in
            one folder are to `score` the detections of `evaluate`.
        save_predictions: file for COCO results JSON.
        split: split to detect in; default as in `evaluate`.
        device: cpu, cuda, cuda:1, mps or auto.
        tile: (height, width) of tiles to detect in as well as in the whole image.
        tile_overlap: share of a tile that it has in common with the next.
        reading: what to believe of the annotations, and what to do with damaged input.
        progress: whether to show it, or a function called with (images done, images in all).
        on_message: called with each message.
    """
    # Imports timm, which `score` does without.
    from singleshot.models.opening import as_detector  # noqa: PLC0415
    from singleshot.prediction.tiling import in_tiles  # noqa: PLC0415

    number, num_shards = shard
    if not 1 <= number <= num_shards:
        raise SingleshotError(f"there is no shard {number} of {num_shards}; they begin with 1")
    path = Path(save_predictions)
    require_writable(path)
    tiles = WithTiles(tile=tile, tile_overlap=tile_overlap)
    loaded = in_tiles(as_detector(detector, device), tiles)
    with image_display(progress, on_message) as display:
        dataset = open_evaluation_data(
            data,
            split,
            display.on_message,
            class_names=tuple(loaded.class_names),
            splits=_splits_of(detector, display.on_message),
            reading=reading,
        )
        predictions = detect_all(
            loaded,
            dataset,
            progress=display.progress,
            on_message=display.on_message,
            shard=number - 1,
            num_shards=num_shards,
        )
    write_predictions(predictions, dataset, path)
    return path


def weights_to_choose_for(detector: Model) -> RunWeights | None:
    """Identify the weights of a run; None for a detector that belongs to no run."""
    return run_weights(detector) if isinstance(detector, str | Path) else None


def _keep_in_export(detector: Model, point: OperatingPoint) -> bool:
    """Save the score thresholds of an exported model in its folder; False for other detectors."""
    artifact = exported_model(detector) if isinstance(detector, str | Path) else None
    return artifact is not None and save_thresholds(artifact, point)


def _splits_of(detector: Model, on_message: OnMessage | None) -> RunSplits | None:
    """Load the images of the run that a detector belongs to; None for one of no run."""
    source = detector if isinstance(detector, str | Path) else getattr(detector, "source", None)
    return None if source is None else training_splits(source, on_message)


def open_evaluation_data(
    data: DataPaths,
    split: str | None,
    on_message: OnMessage | None,
    *,
    class_names: tuple[str, ...] | None = None,
    splits: RunSplits | None = None,
    reading: ReadingOptions = AS_IT_IS,
    images: ImageUse = "required",
) -> DataSet:
    """Open the images to evaluate on, with the labels of a model if class names are given.

    `splits` are the images of its run: the split "set-aside" is one of them. Where images are
    "optional" none needs to be there.
    """
    if split == SET_ASIDE and splits is not None:
        chosen = splits.choose_set_aside(as_paths(data), reading)
    else:
        chosen = evaluation_split(as_paths(data), split, reading, images=images)
    dataset = chosen.dataset
    if class_names is not None:
        dataset = dataset.with_classes(class_names)
    for message in (*chosen.messages, *dataset.notes):
        if on_message is not None:
            on_message(message)
    return dataset


def read_predictions(path: Path, dataset: DataSet, options: ScoreOptions) -> Predictions:
    """Read detections on these images from a file or folder of any known format."""
    loaded = load_predictions(path, dataset)
    for message in (f"{path}: taken for {loaded.kind}", *loaded.notes):
        options.notify(message)
    return loaded.predictions


@dataclass(frozen=True)
class Evaluation:
    """Options with the files they name, read before anything is detected."""

    options: ScoreOptions
    dataset: DataSet
    attributes: Mapping[str, Sequence[str]]
    others: Predictions | None  # to compare with

    @classmethod
    def prepare(cls, dataset: DataSet, options: ScoreOptions) -> "Evaluation":
        """Read attributes and other predictions; raises DataError when they cannot be used."""
        table, against = options.attributes, options.against
        attributes = {} if table is None else read_attributes(Path(table), dataset, options.notify)
        others = None if against is None else read_predictions(Path(against), dataset, options)
        return cls(options, dataset, attributes, others)

    @property
    def protocol(self) -> Protocol:
        """Rules of average precision and of ignored objects."""
        return Protocol(self.options.protocol)

    def run(self, predictions: Predictions) -> Report:
        """Evaluate detections, with the diagnosis, comparison and thresholds of the options."""
        report = evaluate_predictions(
            predictions,
            self.dataset,
            protocol=self.protocol,
            iou_threshold=self.options.iou_threshold,
        )
        report = with_confidence(report, predictions, self.dataset)
        assert report.confidence_interval is not None
        if unsure := report.confidence_interval.note():
            self.options.notify(unsure)
        if limited := limit_note(report.images_over_coco_limit or 0):
            self.options.notify(limited)
        diagnosis = comparison = None
        if self.options.diagnose or self.options.attributes is not None:
            diagnosis = diagnose_predictions(
                predictions, self.dataset, report, attributes=self.attributes
            )
        if self.others is not None:
            comparison = compare_by_bootstrap(
                predictions,
                self.others,
                truths_of(self.dataset),
                self.dataset.class_names,
                protocol=self.protocol,
                iou_threshold=self.options.iou_threshold,
            )
        return replace(
            report,
            diagnosis=diagnosis,
            comparison=comparison,
            operating_point=self.choose_thresholds(predictions),
        )

    def choose_thresholds(self, predictions: Predictions) -> OperatingPoint | None:
        """Choose the score threshold of each class by the rule, if there is one."""
        rule = self.options.parse_threshold_rule()
        if rule is None:
            return None
        truths = truths_of(self.dataset)
        point = choose_thresholds(
            predictions,
            truths,
            self.dataset.class_names,
            rule=rule,
            iou_threshold=self.options.iou_threshold,
            ignore=self.protocol.ignores(truths),
            data=self.dataset.description,
        )
        for sentence in point.sentences():
            self.options.notify(sentence)
        return point

    def write_page(self, report: Report, predictions: Predictions, name: str, command: str) -> None:
        """Write report.html, if a folder for it was given."""
        if self.options.page is None:
            return
        # Imports torchvision and TensorBoard.
        from singleshot.evaluation.page import write_evaluation_page  # noqa: PLC0415

        against = self.options.against
        write_evaluation_page(
            predictions,
            self.dataset,
            report=report,
            model=name,
            command=command,
            path=self.options.page,
            compared_with="" if against is None else str(against),
        )
