"""Training a detector on annotated images."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from singleshot.backbones.graph_settings import GraphSettings
from singleshot.checkpoints.transfer import Start
from singleshot.data.cache import require_readable
from singleshot.data.splits import TrainingData, training_split
from singleshot.errors import ModelError, SingleshotError
from singleshot.models.opening import start_from, teacher_from
from singleshot.recipes.load import load_recipe, to_toml
from singleshot.recipes.schema import Recipe
from singleshot.runs.callbacks import Callback, CallbackList, OnMessage
from singleshot.runs.folder import RunFolder
from singleshot.runs.log import RunLog
from singleshot.runs.places import Data, default_folder, listed
from singleshot.runs.progress import Progress, load_progress
from singleshot.training.allocator import keeping_memory
from singleshot.training.budget import TimeBudget
from singleshot.training.build import build_training
from singleshot.training.interrupt import granting_interrupts, stopping_at_once
from singleshot.training.mlflow_log import MlflowLog
from singleshot.training.plan import Begin, Preparation, Wishes
from singleshot.training.processes import Processes, joined_processes
from singleshot.training.state import require_same_training
from singleshot.training.validation import report_on_validation, validation_on
from singleshot.version import __version__

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
    time_budget: float | TimeBudget | None = None,
    profile: bool = False,
    self_test: bool = False,
    track: Literal["mlflow"] | None = None,
    callback: Callback | None = None,
) -> Run:
    """Train a detector and leave it in a run folder.

    Args:
        recipe: a shipped recipe's name, or a TOML file.
        data: a folder or JSON file of annotated images, or several, joined by class name.
        run: the folder to write; left out, the first free one under `runs/`.
        split: the images to learn from; left out, `train`, else `trainval`, else all.
        val_split: the images to validate on, or "none"; left out, `val`, else a tenth set aside.
        init: a detector to start from: a run, a checkpoint or a file that `import_model` reads.
        overrides: recipe keys and values, `{"training.epochs": 10}` or `["training.epochs=10"]`.
        teacher: a larger detector to learn from as well; as `init`, whatever its priors are.
        resume: go on with a run that was stopped.
        time_budget: seconds from now on, into which steps and validations are fitted.
        profile: find out where the time of the first steps goes: `profile.txt` in the run.
        self_test: before the run, learn one batch by heart, and score the truth as predictions.
        track: keep a record in MLflow, too; its store is `MLFLOW_TRACKING_URI`, else `mlruns/`.
        callback: its methods are called as the training proceeds; see `Callback`.

    Raises:
        SingleshotError: one of its kinds; nothing is written when the input is at fault.
    """
    wishes = Wishes(TimeBudget.of(time_budget), profile=profile, self_test=self_test)
    with joined_processes() as processes:
        wanted, start = recipe_and_start(recipe, overrides, init)
        folder = run_folder(run, Path(recipe).stem, resume=resume, processes=processes)
        with stopping_at_once(partial(left_to_do, folder, processes)):
            if resume := goes_on(folder, processes, asked=resume):
                wanted = folder.recipe_to_resume(wanted)
            tracked = tracker(folder, track, callback, processes)
            audience = listeners(folder, callback, tracked, processes)
            if resume:
                audience.on_message(goes_on_from(folder))
            chosen = training_split(listed(data), split, val_split, wanted.training.seed)
            tell(chosen, wanted, start, audience.on_message)
            job = Job(wanted, chosen, folder, processes, audience, resume)
            with nullcontext() if tracked is None else tracked.marked():
                progress, stopped_by = job.learn(wishes, start, teacher)
                found = result(folder, progress, stopped_by, processes)
                job.report(progress, f"singleshot train {recipe}")
            if tracked is not None:
                tracked.keep_files(finished=progress.finished)
            if wishes.time_budget is not None:
                audience.on_message(wishes.time_budget.account(time.monotonic()))
            return found


@dataclass(frozen=True)
class Job:
    """What is going to be trained, and where."""

    recipe: Recipe  # as it is asked for, or as the run was begun
    data: TrainingData
    folder: RunFolder
    processes: Processes
    audience: CallbackList
    resume: bool

    def learn(
        self, wishes: Wishes, start: Start | None, teacher: str | Path | None
    ) -> tuple[Progress, int | None]:
        """Prepare and take the steps; gives how far it came, and the signal that stopped it."""
        if self.resume and (known := load_progress(self.folder.state)).finished:
            same_images = replace(known, data=self.data.train.fingerprint())
            require_same_training(self.folder.state, known, same_images)
            return known, None
        taught_by = None if teacher is None else teacher_from(teacher)
        require_same(self.recipe, self.data, start, taught_by, self.processes)
        build = self.builder(start, taught_by)
        # What is measured before is to be as it will be.
        with keeping_memory():
            prepared = self.preparation(build, wishes).run(self.recipe)
            training, batches = build(
                prepared.recipe, prepared.images, callback=self.audience, resume=self.resume
            )
            if not self.resume:
                begin(self.folder, training.recipe, self.processes, asked=self.recipe)
            with granting_interrupts() as wish:
                progress = training.run(prepared.in_time(training, batches), wish)
        return progress, None if progress.finished else wish.signal

    def report(self, progress: Progress, command: str) -> None:
        """Leave a page that shows what it came to, where there was a validation."""
        validation = self.data.validation
        if not progress.finished or validation is None:
            return
        if not self.processes.from_first(self.folder.is_done):
            report_on_validation(self.folder, validation, command, self.processes)

    def builder(self, start: Start | None, teacher: Start | None) -> Begin:
        """What builds the training, as often as is needed."""
        validation = self.data.validation
        return partial(
            build_training,
            class_names=self.data.train.class_names,
            fingerprint=self.data.train.fingerprint(),
            folder=self.folder,
            evaluate=None if validation is None else validation_on(validation, self.processes),
            start=start,
            teacher=teacher,
            processes=self.processes,
        )

    def preparation(self, build: Begin, wishes: Wishes) -> Preparation:
        """What is found out before."""
        return Preparation(
            data=self.data,
            begin=build,
            judge=validation_on,
            folder=self.folder,
            wishes=wishes,
            processes=self.processes,
            on_message=self.audience.on_message,
            resume=self.resume,
        )


def recipe_and_start(
    recipe: str | Path, overrides: Mapping[str, object] | Sequence[str], init: str | Path | None
) -> tuple[Recipe, Start | None]:
    """The recipe as it is asked for, and the detector to start from."""
    start = None if init is None else start_from(init)
    wanted = load_recipe(recipe, overrides)
    if init is not None and start is None:
        # Not a detector, so a classifier: what it knows is the backbone's.
        wanted = with_backbone_weights(wanted, str(init))
    return wanted, start


def tracker(
    folder: RunFolder, track: str | None, callback: Callback | None, processes: Processes
) -> MlflowLog | None:
    """What keeps a record elsewhere; one process writes for all."""
    if track is None or not processes.first:
        return None
    return MlflowLog(folder, CallbackList([] if callback is None else [callback]).on_message)


def listeners(
    folder: RunFolder, callback: Callback | None, tracked: MlflowLog | None, processes: Processes
) -> CallbackList:
    """All that are told of the training; in the first process alone."""
    if not processes.first:
        return CallbackList([])
    others = [one for one in (callback, tracked) if one is not None]
    return CallbackList([RunLog(folder), *others])


def tell(chosen: TrainingData, wanted: Recipe, start: Start | None, on_message: OnMessage) -> None:
    """What a person should know before it begins; an error where an image cannot be read."""
    validation = chosen.validation
    notes = chosen.train.notes + (() if validation is None else validation.notes)
    for message in (*chosen.messages, *dict.fromkeys(notes)):
        on_message(message)
    if start is None and wanted.model.backbone.weights == "none":
        on_message("the backbone starts from random weights (model.backbone.weights = none)")
    if validation is not None:
        require_readable(validation)


def require_same(
    wanted: Recipe,
    chosen: TrainingData,
    start: Start | None,
    teacher: Start | None,
    processes: Processes,
) -> None:
    """Raises SingleshotError where processes were told differently."""
    if not processes.several:
        return
    validation = chosen.validation
    processes.require_same(
        {
            "the recipe": to_toml(wanted),
            "the training images": chosen.train.fingerprint(),
            "the validation images": "" if validation is None else validation.fingerprint(),
            "the detector to start from": "" if start is None else start.checkpoint.fingerprint(),
            "the teacher": "" if teacher is None else teacher.checkpoint.fingerprint(),
            "the weights of the backbone": file_fingerprint(wanted),
            "the version of singleshot": __version__,
        }
    )


def file_fingerprint(wanted: Recipe) -> str:
    """A hash of the file that the backbone's weights are in; nothing where they come with it."""
    path = Path(wanted.model.backbone.weights)
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def result(
    folder: RunFolder, progress: Progress, stopped_by: int | None, processes: Processes
) -> Run:
    """What the training came to, the same in every process."""
    signals = [number for number in processes.gather(stopped_by) if number is not None]
    # Others look at the weights only once the first process has written them.
    checkpoint = processes.from_first(folder.checkpoint() if processes.first else folder.path)
    return Run(
        folder=folder.path,
        checkpoint=checkpoint,
        steps=progress.step,
        mean_average_precision=progress.best,
        stopped_by=signals[0] if signals else None,
        interrupted=not progress.finished,
    )


def run_folder(
    run: str | Path | None, name: str, *, resume: bool, processes: Processes
) -> RunFolder:
    """The folder named, or one under `runs/`; several processes must be told."""
    if run is None and processes.several:
        raise SingleshotError(
            "give --run DIR: a folder that every one of the processes can reach, so that the "
            "training can go on whichever of them is lost"
        )
    return RunFolder(default_folder(name, resume) if run is None else Path(run))


def goes_on(folder: RunFolder, processes: Processes, *, asked: bool) -> bool:
    """Whether to go on with the run that is there; ModelError where none may begin, or go on.

    Without being `asked` to, it does so under torchrun, which starts commands again. It takes the
    same recipe, images and teacher, or an error follows: nothing is overwritten.
    """
    if was_left(folder, processes):
        return True
    if asked:
        folder.check_left()
    else:
        folder.check_free()
    return asked


def was_left(folder: RunFolder, processes: Processes) -> bool:
    """Whether torchrun, which starts processes again, has started this training before."""
    if not processes.supervised:
        return False
    # Of those that were started again, one may have been lost after all was done.
    (again,) = processes.any(processes.restarted)
    left = folder.state.exists() and (again or not folder.is_done)
    if any(processes.any(left)) and not left:
        raise ModelError(not_shared(folder))
    return left


def goes_on_from(folder: RunFolder) -> str:
    """Where a run goes on, for a person."""
    progress = load_progress(folder.state)
    if progress.finished:
        return f"{folder.path}: all {progress.step} steps are done"
    return f"{folder.path}: goes on after step {progress.step}"


def left_to_do(folder: RunFolder, processes: Processes) -> str:
    """What is true of a run that was stopped at once, for a person; one process says it."""
    if not processes.first:
        return ""
    if not folder.state.exists():
        return "Stopped before the training began; the same command begins it."
    progress = load_progress(folder.state)
    if not progress.finished:
        return (
            f"Stopped at once; --run {folder.path} --resume goes on after step {progress.step}, "
            f"which was saved last."
        )
    if not folder.is_done:
        return f"Stopped after the last step; --run {folder.path} --resume writes the report."
    return f"Stopped after the training; {folder.path} is complete."


def begin(folder: RunFolder, recipe: Recipe, processes: Processes, *, asked: Recipe) -> None:
    """Create the folder; raises ModelError where some process cannot see it."""
    if processes.first:
        folder.begin(recipe, asked=asked)
    # Nobody looks before it is there.
    processes.from_first(None)
    if not folder.recipe.exists():
        raise ModelError(not_shared(folder))


def not_shared(folder: RunFolder) -> str:
    return (
        f"{folder.path}: another process sees a run here, this one does not; choose a --run on "
        f"storage that all machines share"
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
