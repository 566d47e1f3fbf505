"""Training a detector on annotated pictures."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from singleshot.api.models import load, start_from, teacher_from
from singleshot.api.places import Data, default_folder, listed
from singleshot.build import build_training
from singleshot.data.cache import cached, require_readable
from singleshot.data.dataset import DataSet
from singleshot.data.opening import training_split
from singleshot.errors import ModelError, SingleshotError
from singleshot.evaluation import detect_all, evaluate, judge
from singleshot.metrics import Protocol
from singleshot.models.ssd.network import Ssd
from singleshot.recipes.graph import GraphSettings
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe
from singleshot.reporting import report_on
from singleshot.training.interrupt import granting_interrupts
from singleshot.training.log import RunLog
from singleshot.training.run_folder import RunFolder
from singleshot.training.watch import Audience, Watcher

__all__ = ["Run", "train"]


@dataclass(frozen=True)
class Run:
    """What a training came to."""

    folder: Path
    checkpoint: Path  # the best weights, or the last where nothing was validated
    steps: int
    mean_average_precision: float | None  # the best validation: COCO's, over IoU 0.5 to 0.95
    stopped_by: int | None  # the signal that a person or a cluster stopped it with, as SIGINT
    interrupted: bool  # something is left to do, and `resume` does it


def train(
    recipe: str | Path,
    data: Data,
    *,
    run: str | Path | None = None,
    split: str | None = None,
    val_split: str | None = None,
    init: str | Path | None = None,
    overrides: Mapping[str, object] | Sequence[str] = (),
    teacher: str | Path | None = None,
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
        teacher: a larger detector to learn from as well; as `init`, whatever its priors are.
        resume: go on with a run that was stopped.
        watch: told of everything as it happens.

    Raises:
        SingleshotError: one of its kinds; nothing is written when the input is at fault.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SingleshotError("training on several processes is not there yet; start one")
    start = None if init is None else start_from(init)
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
        teacher=None if teacher is None else teacher_from(teacher),
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
        stopped_by=None if progress.finished else wish.signal,
        interrupted=not progress.finished,
    )


def with_backbone_weights(recipe: Recipe, file: str) -> Recipe:
    if isinstance(recipe.model.backbone, GraphSettings):
        raise ModelError(
            f"{file}: not a detector known here, and a backbone that is written down in the recipe "
            f"takes no classifier's weights; give a detector to --init"
        )
    backbone = recipe.model.backbone.model_copy(update={"weights": file})
    return recipe.model_copy(
        update={"model": recipe.model.model_copy(update={"backbone": backbone})}
    )


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


def validation_on(dataset: DataSet) -> Callable[[nn.Module], float]:
    """A function that judges a detector by COCO's average precision."""

    def validate(detector: nn.Module) -> float:
        assert isinstance(detector, Ssd)
        report = evaluate(detector, dataset, protocol=Protocol.COCO)
        return report.mean_average_precision or 0.0

    return validate
