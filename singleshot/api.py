"""What a program calls: train, load, evaluate. The command line calls the same."""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from singleshot.build import best_device, build_detector, build_training, detector_from
from singleshot.data.cache import cached, require_readable
from singleshot.data.dataset import DataSet
from singleshot.data.opening import evaluation_split, training_split
from singleshot.errors import ModelError, SingleshotError
from singleshot.evaluation import detect_all, judge, load_predictions, save_predictions
from singleshot.evaluation import evaluate as run_evaluation
from singleshot.metrics import Protocol, Report
from singleshot.models.checkpoint import Checkpoint
from singleshot.models.importers.recognise import KINDS, read_weights, recognised
from singleshot.models.ssd.network import Ssd
from singleshot.models.summary import ModelSummary, summarise
from singleshot.models.transfer import Start
from singleshot.recipes.load import load_recipe, recipe_files
from singleshot.recipes.schema import Recipe
from singleshot.reporting import report_on
from singleshot.structures import Detector
from singleshot.training.interrupt import granting_interrupts
from singleshot.training.log import RunLog
from singleshot.training.run_folder import RunFolder
from singleshot.training.watch import Audience, Watcher

__all__ = [
    "Imported",
    "RecipeSummary",
    "Run",
    "evaluate",
    "import_model",
    "load",
    "recipes",
    "score",
    "show_model",
    "train",
]

Data = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Run:
    """What a training came to."""

    folder: Path
    checkpoint: Path  # the best weights, or the last where nothing was validated
    steps: int
    mean_average_precision: float | None  # the best validation: COCO's, over IoU 0.5 to 0.95
    interrupted: bool


@dataclass(frozen=True)
class Imported:
    """Other people's weights as a run of ours."""

    folder: Path
    kind: str  # whose they were
    class_names: tuple[str, ...]
    input: tuple[int, int]  # height, width


@dataclass(frozen=True)
class RecipeSummary:
    """A shipped recipe."""

    name: str
    about: str  # its first line
    preset: str
    input: tuple[int, int]  # height, width
    priors: int
    parameters: int  # with VOC's 20 classes
    path: Path


def train(
    recipe: str | Path,
    data: Data,
    *,
    run: str | Path | None = None,
    split: str | None = None,
    val_split: str | None = None,
    init: str | Path | None = None,
    overrides: Mapping[str, object] | Sequence[str] = (),
    resume: bool = False,
    watch: Watcher | None = None,
) -> Run:
    """Train a detector and leave it in a run folder.

    Args:
        recipe: a shipped recipe's name, or a TOML file.
        data: a folder or JSON file of annotated pictures, or several, joined by class name.
        run: the folder to write; left out, the first free one under `runs/`.
        split: the pictures to learn from; left out, `train`, else `trainval`, else all.
        val_split: the pictures to validate on, or "none"; left out, `val`, else a tenth set aside.
        init: a detector to start from: a run, a checkpoint or a file that `import_model` reads.
        overrides: recipe keys and values, `{"training.epochs": 10}` or `["training.epochs=10"]`.
        resume: go on with a run that was stopped.
        watch: told of everything as it happens.

    Raises:
        SingleshotError: one of its kinds; nothing is written when the input is at fault.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SingleshotError("training on several processes is not there yet; start one")
    start = None if init is None or resume else start_from(init)
    wanted = load_recipe(recipe, overrides)
    if init is not None and start is None:
        # Not a detector, so a classifier: what it knows is the backbone's.
        wanted = with_backbone_weights(wanted, str(init))
    folder = RunFolder(default_folder(Path(recipe).stem, resume) if run is None else Path(run))
    if resume:
        wanted = folder.recipe_to_resume(wanted)
    else:
        folder.check_free()
    audience = Audience([RunLog(folder), *([] if watch is None else [watch])])
    chosen = training_split(listed(data), split, val_split, wanted.training.seed)
    validation = chosen.validation
    notes = chosen.train.notes + (() if validation is None else validation.notes)
    for message in (*chosen.said, *dict.fromkeys(notes)):
        audience.said(message)
    if start is None and wanted.model.backbone.weights == "none":
        audience.said("the backbone starts from random weights (model.backbone.weights = none)")
    if validation is not None:
        require_readable(validation)
    training, batches = build_training(
        wanted,
        cached(chosen.train, wanted.training.cache, audience.said),
        chosen.train.class_names,
        fingerprint=chosen.train.fingerprint(),
        folder=folder,
        watch=audience,
        evaluate=None if validation is None else validation_on(validation),
        start=start,
        resume=resume,
    )
    if not resume:
        folder.begin(training.recipe)
    with granting_interrupts() as wish:
        progress = training.run(batches, wish)
    if progress.finished and validation is not None:
        report_on_validation(folder, validation, command=f"singleshot train {recipe}")
    return Run(
        folder=folder.path,
        checkpoint=folder.checkpoint(),
        steps=progress.step,
        mean_average_precision=progress.best,
        interrupted=not progress.finished,
    )


def with_backbone_weights(recipe: Recipe, file: str) -> Recipe:
    backbone = recipe.model.backbone.model_copy(update={"weights": file})
    return recipe.model_copy(
        update={"model": recipe.model.model_copy(update={"backbone": backbone})}
    )


def load(model: str | Path, device: str | None = None) -> Ssd:
    """A detector from a run folder or a checkpoint, on the accelerator if there is one."""
    path = checkpoint_file(Path(model))
    return detector_from(Checkpoint.load(path), place=str(path)).to(device or best_device())


def checkpoint_file(model: Path) -> Path:
    if not model.exists():
        raise ModelError(f"{model}: there is no such run folder or checkpoint")
    return RunFolder(model).checkpoint() if model.is_dir() else model


def is_run(path: Path) -> bool:
    return path.is_dir() and RunFolder(path).recipe.exists()


def start_from(init: str | Path) -> Start | None:
    """A detector of ours or of other people; None for a file that holds none."""
    path = Path(init)
    if is_run(path) or path.suffix == ".safetensors":
        return Start(Checkpoint.load(checkpoint_file(path)), str(init))
    kind = recognised(path)
    return None if kind is None else Start(read_weights(path, kind), str(init))


def import_model(
    file: str | Path, *, kind: str | None = None, output: str | Path | None = None
) -> Imported:
    """Turn other people's weights into a run folder that evaluates, predicts and fine-tunes.

    Args:
        file: the weights; of Caffe and TensorFlow.js, any of the files that belong together.
        kind: whose they are: torchvision, amdegroot, lufficc, qfgaohao, caffe, tensorflow or
            ultraface; left out, it is told by their content.
        output: the run folder to write; left out, the first free one under `runs/`.

    Raises:
        ModelError: the file is damaged, of another kind, or says what our SSD cannot.
    """
    path = Path(file)
    folder = RunFolder(default_folder(path.stem, False) if output is None else Path(output))
    folder.check_free()
    found = kind or recognised(path)
    if found is None:
        raise ModelError(
            f"{path}: a PyTorch file, but of no detector known here; if it is one after all, say "
            f"whose with --from ({', '.join(KINDS)})"
        )
    checkpoint = read_weights(path, found)
    # Built once, so that a run that appears is one that works.
    detector_from(checkpoint, place=str(file))
    checkpoint.save(folder.last)
    folder.begin(checkpoint.recipe)
    return Imported(folder.path, found, checkpoint.class_names, checkpoint.recipe.model.input)


def evaluate(
    detector: Detector | str | Path,
    data: Data,
    *,
    split: str | None = None,
    protocol: str | Protocol = Protocol.COCO,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] | None = None,
    save_predictions_to: str | Path | None = None,
    report: str | Path | None = None,
) -> Report:
    """Measure a detector on annotated pictures.

    Args:
        detector: anything with `detect` and `class_names`, or a run folder or checkpoint.
        data: a folder or JSON file of annotated pictures, or several, joined by class name.
        split: which pictures; left out, `test`, else `val`, else all.
        protocol: "voc07" (11 points), "voc10" (every point) or "coco".
        progress: told of (pictures done, pictures in all).
        say: told which pictures were taken, and what was dropped.
        save_predictions_to: a JSON file for the detections, in COCO's format of results.
        report: a folder for `report.html`, a page that needs no other file.
    """
    rules = protocol_named(protocol)
    measured = load(detector) if isinstance(detector, str | Path) else detector
    dataset = measured_data(data, split, say, class_names=tuple(measured.class_names))
    predictions = detect_all(measured, dataset, progress=progress)
    if save_predictions_to is not None:
        save_predictions(predictions, dataset, Path(save_predictions_to))
    judged = judge(predictions, dataset, protocol=rules)
    if report is not None:
        name = str(detector) if isinstance(detector, str | Path) else type(detector).__name__
        command = f"singleshot evaluate {name} {spelt(data)} --protocol {rules}"
        page = Path(report, "report.html")
        report_on(predictions, dataset, report=judged, model=name, command=command, path=page)
    return judged


def score(
    predictions: str | Path,
    data: Data,
    *,
    split: str | None = None,
    protocol: str | Protocol = Protocol.COCO,
    say: Callable[[str], None] | None = None,
    report: str | Path | None = None,
) -> Report:
    """Measure detections that are already there: a file in COCO's format of results.

    Its ids of pictures and classes are those of the data set; the other arguments are `evaluate`'s.
    """
    rules = protocol_named(protocol)
    dataset = measured_data(data, split, say, class_names=None)
    found = load_predictions(Path(predictions), dataset)
    judged = judge(found, dataset, protocol=rules)
    if report is not None:
        name, page = str(predictions), Path(report, "report.html")
        command = f"singleshot score {name} {spelt(data)} --protocol {rules}"
        report_on(found, dataset, report=judged, model=name, command=command, path=page)
    return judged


def protocol_named(name: str) -> Protocol:
    if name not in set(Protocol):
        raise SingleshotError(f"no protocol {name!r}; there are {', '.join(Protocol)}")
    return Protocol(name)


def measured_data(
    data: Data,
    split: str | None,
    say: Callable[[str], None] | None,
    *,
    class_names: tuple[str, ...] | None,
) -> DataSet:
    """The pictures to measure on, with the labels of a model if class names are given."""
    chosen = evaluation_split(listed(data), split)
    dataset = chosen.dataset
    if class_names is not None:
        dataset = dataset.with_classes(class_names)
    for message in (*chosen.said, *dataset.notes):
        if say is not None:
            say(message)
    return dataset


def spelt(data: Data) -> str:
    return " ".join(map(str, listed(data)))


def report_on_validation(folder: RunFolder, validation: DataSet, command: str) -> None:
    """Leave a page in the run that shows what it came to."""
    predictions = detect_all(load(folder.path), validation)
    report_on(
        predictions,
        validation,
        report=judge(predictions, validation, protocol=Protocol.COCO),
        model=str(folder.path),
        command=command,
        path=folder.report,
    )


def show_model(
    recipe: str | Path, num_classes: int, overrides: Mapping[str, object] | Sequence[str] = ()
) -> ModelSummary:
    """Build a recipe's network for so many classes (without background) and count what it has."""
    settings = load_recipe(recipe, overrides).model
    detector = build_detector(settings, numbered_classes(num_classes), pretrained=False)
    return summarise(detector, recipe=str(recipe))


def recipes() -> list[RecipeSummary]:
    """The recipes that are shipped."""
    return [recipe_summary(name, path) for name, path in recipe_files().items()]


def recipe_summary(name: str, path: Path) -> RecipeSummary:
    recipe = load_recipe(name)
    # Shapes alone: no weights are made.
    with torch.device("meta"):
        detector = build_detector(recipe.model, numbered_classes(20), pretrained=False)
    return RecipeSummary(
        name=name,
        about=first_line(path),
        preset=recipe.preset,
        input=recipe.model.input,
        priors=len(detector.priors_cxcywh_unit),
        parameters=sum(parameter.numel() for parameter in detector.parameters()),
        path=path,
    )


def numbered_classes(number: int) -> list[str]:
    return [f"class {index + 1}" for index in range(number)]


def first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def validation_on(dataset: DataSet) -> Callable[[nn.Module], float]:
    """A function that judges a detector by COCO's average precision."""

    def validate(detector: nn.Module) -> float:
        assert isinstance(detector, Ssd)
        report = run_evaluation(detector, dataset, protocol=Protocol.COCO)
        return report.mean_average_precision or 0.0

    return validate


def listed(data: Data) -> list[Path]:
    return [Path(data)] if isinstance(data, str | Path) else [Path(one) for one in data]


def default_folder(name: str, resume: bool) -> Path:
    """The first of runs/NAME, runs/NAME-2, … that is not there; to resume, the last that is."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    last = folder = Path("runs", next(names))
    while folder.exists():
        last, folder = folder, Path("runs", next(names))
    return last if resume else folder
