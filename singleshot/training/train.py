"""Train a detector on annotated images, from a recipe to a run folder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.cores import sharing_cores
from singleshot.data.cache.memory import require_readable
from singleshot.data.splits import TrainingData, training_split
from singleshot.errors import SingleshotError
from singleshot.files import hash_file
from singleshot.models.opening import teacher_from
from singleshot.models.pretrained import find_recipe
from singleshot.options import as_paths, takes
from singleshot.recipes.load import AUTO
from singleshot.recipes.schema import Recipe
from singleshot.recipes.toml import to_toml
from singleshot.runs.callbacks import Callback, CallbackList, OnMessage
from singleshot.runs.display import training_display
from singleshot.runs.folder import RunFolder, default_folder
from singleshot.runs.log import RunLog
from singleshot.runs.progress import TrainingProgress, load_progress
from singleshot.runs.splits import splits_of_model
from singleshot.training.automatic import (
    choose_for,
    describe_trained,
    report_choices,
    with_single_keys,
)
from singleshot.training.build import TrainingSetup, build_training, training_device
from singleshot.training.interrupt import graceful_interrupts, immediate_interrupts
from singleshot.training.mlflow_log import MlflowLog
from singleshot.training.options import (
    TimeBudget,
    TrainingOptions,
    parse_class_map,
    require_options_of_auto,
)
from singleshot.training.plan import resolve_plan
from singleshot.training.precautions import explaining_lack_of_memory, keeping_memory
from singleshot.training.processes import Processes, process_group
from singleshot.training.record import recall_command, record_of
from singleshot.training.requirements import report_quick_check, require_trainable_objects
from singleshot.training.resume import (
    begin_run,
    describe_interrupted,
    describe_resumed,
    is_resumed,
    locked,
)
from singleshot.training.start import Start
from singleshot.training.starting_recipe import StartingRecipe
from singleshot.training.state import require_same_training
from singleshot.training.validation import report_on_validation
from singleshot.version import __version__

__all__ = ["Run", "hash_backbone_file", "require_same_inputs", "run_training", "train"]


@dataclass(frozen=True)
class Run:
    """Result of a training: its folder, its weights and its best validation."""

    folder: Path
    checkpoint: Path  # the best weights, or the last where nothing was validated
    steps: int
    mean_average_precision: float | None  # the best validation: COCO's, over IoU 0.5 to 0.95
    stopped_by: int | None  # the signal that interrupted it, such as SIGINT
    interrupted: bool  # something is left to do; `resume` does it


@takes(TrainingOptions)
def train(recipe: str | Path, options: TrainingOptions) -> Run:
    """Train a detector and write it to a run folder.

    Args:
        recipe: a shipped recipe's name, a TOML file, or a run folder or downloaded detector, whose
            recipe it is.

    Raises:
        SingleshotError: one of its kinds; nothing is written when the input is wrong.
    """
    return run_training(recipe, options)


def run_training(recipe: str | Path, options: TrainingOptions) -> Run:
    """Train as `train` does, with options that are made already."""
    given = options
    recipe, options = recall_command(recipe, options)
    # A run that is resumed by its folder keeps its recipe, also where a shipped one has changed.
    changes = given.all_overrides or given.init or given.prune or given.quantize
    keeps_recipe = options.run is not given.run and not changes
    if not options.data:
        raise SingleshotError("name the images to train on: --data DATA")
    require_options_of_auto(recipe, options)
    # A folder of this name, such as one of images, is no recipe.
    source = recipe
    if str(recipe) == AUTO:
        options = with_single_keys(options)
    else:
        source = find_recipe(recipe)
    budget = TimeBudget.of(options.time_budget)
    with (
        training_display(options.progress, options.callback) as callback,
        process_group(options.device) as processes,
    ):
        options = options.with_callbacks(callback=callback)
        device = training_device(processes, options.device)
        starting = StartingRecipe.of(source, options)
        folder = _run_folder(options, Path(recipe).stem, processes)
        with immediate_interrupts(lambda: describe_interrupted(folder, processes)):
            resume = is_resumed(folder, processes, requested=options.resume)
            tracker = _tracker(folder, options, processes)
            callbacks = _callbacks(folder, options.callback, tracker, processes)
            context = _Context(options, folder, processes, device, callbacks, resume, keeps_recipe)
            settings, setup = _prepare(starting, context, record_of(recipe, options))
            with nullcontext() if tracker is None else tracker.marked():
                progress, stopped_by = _plan_and_train(settings, setup, options, budget)
                run = _result(folder, progress, stopped_by, processes)
                # Without --resume: the page of a resumed run is that of an uninterrupted one.
                command = replace(options, resume=False).to_command("train", recipe)
                _conclude(run, progress, setup, command)
                if starting.is_auto and progress.finished and processes.is_first:
                    example = (setup.data.validation or setup.data.train)[0].image
                    callbacks.on_message(
                        describe_trained(
                            run.checkpoint, run.mean_average_precision, example, device
                        )
                    )
            if tracker is not None:
                tracker.keep_files(finished=progress.finished)
            if budget is not None:
                callbacks.on_message(budget.summarise(time.monotonic()))
            return run


@dataclass(frozen=True)
class _Context:
    """Options, folder, processes and device of a training."""

    options: TrainingOptions
    folder: RunFolder
    processes: Processes
    device: torch.device
    callbacks: CallbackList
    resume: bool
    keeps_recipe: bool  # the run's own: none is given


def _prepare(
    starting: StartingRecipe, context: _Context, record: Mapping[str, Any]
) -> tuple[Recipe, TrainingSetup]:
    """Open the data, and settle the recipe of a training and what it starts from."""
    options, on_message = context.options, context.callbacks.on_message
    settings = _begun_recipe(starting, context) if context.resume else starting.plain
    data = training_split(
        as_paths(options.data),
        options.split,
        options.val_split,
        settings.training.seed,
        options.reading,
    )
    _announce(data, settings, starting.detector, on_message)
    start, chosen = _start(starting.detector, context, data), ""
    if not context.resume:
        settings, chosen = _choose_recipe(starting, start, context, data)
    every = data.validation
    data = data.with_validation_images(settings.training.validation_images)
    if data.validation is not None and data.validation is not every:
        on_message(f"validating on {data.validation.description}")
    report_quick_check(data.train, settings.model.input, options.data, on_message)
    return settings, TrainingSetup(
        data,
        context.folder,
        context.processes,
        context.callbacks,
        start=start,
        resume=context.resume,
        device=context.device,
        record=record,
        chosen=chosen,
        all_validation=every,
    )


def _begun_recipe(starting: StartingRecipe, context: _Context) -> Recipe:
    """Return the recipe that the run to resume was begun with."""
    folder = context.folder
    settings = folder.begun_recipe if context.keeps_recipe else starting.to_resume(folder)
    context.callbacks.on_message(describe_resumed(folder))
    return settings


def _start(detector: TrainedDetector | None, context: _Context, data: TrainingData) -> Start | None:
    """Find what each class begins as, where the training starts from a detector."""
    if detector is None:
        return None
    class_map = parse_class_map(context.options.class_map)
    if context.resume:
        return Start(detector, class_map)
    start = Start.on(detector, class_map, data.train, context.device)
    return replace(start, nearest=context.processes.broadcast(start.nearest))


def _choose_recipe(
    starting: StartingRecipe, start: Start | None, context: _Context, data: TrainingData
) -> tuple[Recipe, str]:
    """Choose the recipe where it is `auto`, and its values for the start where it has some.

    Also returns the file with what was chosen, "" where nothing was.
    """
    options, on_message = context.options, context.callbacks.on_message
    class_names, file = data.train.class_names, ""
    known = (
        start is not None
        and start.knows(class_names)
        and start.keeps_outputs(starting.plain.model, class_names)
    )
    if starting.is_auto:
        chosen = choose_for(data, start, options, context.device, context.processes, known=known)
        report_choices(chosen, on_message)
        starting = starting.with_recipe(chosen.content)
        file = chosen.to_toml(replace(options, resume=False).to_command("train", AUTO))
    if start is None:
        return starting.plain, file
    settings = starting.fine_tuned(on_message, known=known)
    if data.validation is None:
        on_message("without validation images, the detector is not evaluated before training")
    return settings, file


def _conclude(run: Run, progress: TrainingProgress, setup: TrainingSetup, command: str) -> None:
    """Report a start that nothing was better than, and write the page."""
    if progress.finished and progress.best == progress.start is not None:
        setup.callback.on_message(
            f"no validation was better than before training (AP {progress.best:.3f}): "
            f"{run.checkpoint} is the detector that it started from"
        )
    _write_report(progress, setup, command)


def _plan_and_train(
    recipe: Recipe, setup: TrainingSetup, options: TrainingOptions, budget: TimeBudget | None
) -> tuple[TrainingProgress, int | None]:
    """Resolve the plan and take the steps; also returns the signal of an interruption."""
    state = setup.folder.state
    if setup.resume and (progress := load_progress(state)).finished:
        require_same_training(state, progress, replace(progress, data=setup.fingerprint))
        return progress, None
    if options.teacher is not None:
        setup = replace(setup, teacher=teacher_from(options.teacher))
    require_same_inputs(recipe, setup)
    # Around the plan, too: what it measures is to be as the training will be.
    with (
        keeping_memory(),
        sharing_cores(setup.callback.on_message),
        explaining_lack_of_memory(recipe.training),
        ExitStack() as until_end,
    ):
        plan = resolve_plan(recipe, setup, options, budget)
        if setup.resume:
            until_end.enter_context(locked(setup))
        training, batches = build_training(plan.recipe, plan.images, setup)
        if not setup.resume:
            until_end.enter_context(locked(setup))  # not before: a failure leaves no folder
            start = None if options.init is None else splits_of_model(options.init)
            begin_run(setup, training.recipe, requested=recipe, start=start)
        with graceful_interrupts() as interrupt:
            progress = training.run(plan.in_time(training, batches), interrupt)
    return progress, None if progress.finished else interrupt.signal


def _run_folder(options: TrainingOptions, name: str, processes: Processes) -> RunFolder:
    """Return the folder that is given, or one under `runs/`; several processes need it given."""
    if options.run is not None:
        return RunFolder(Path(options.run))
    if processes.is_distributed:
        raise SingleshotError(
            "give --run DIR: a folder that every one of the processes can reach, so that the "
            "training can be resumed whichever of them is lost"
        )
    return RunFolder(default_folder(name, options.resume))


def _tracker(folder: RunFolder, options: TrainingOptions, processes: Processes) -> MlflowLog | None:
    """Make the callback that records the run elsewhere; the first process records for all."""
    if options.track is None or not processes.is_first:
        return None
    warn = (lambda _: None) if options.callback is None else options.callback.on_message
    return MlflowLog(folder, warn)


def _callbacks(
    folder: RunFolder, callback: Callback | None, tracker: MlflowLog | None, processes: Processes
) -> CallbackList:
    """List the callbacks of a training; the first process alone has any."""
    if not processes.is_first:
        return CallbackList([])
    others = [one for one in (callback, tracker) if one is not None]
    return CallbackList([RunLog(folder), *others])


def _announce(
    data: TrainingData, recipe: Recipe, start: TrainedDetector | None, on_message: OnMessage
) -> None:
    """Report the splits and notes of the data; DataError where it cannot be trained on."""
    validation = data.validation
    notes = data.train.notes + (() if validation is None else validation.notes)
    for message in (*data.messages, *dict.fromkeys(notes)):
        on_message(message)
    require_trainable_objects(data.train, on_message)
    if start is None and recipe.model.backbone.weights == "none":
        on_message("the backbone starts from random weights (model.backbone.weights = none)")
    if validation is not None:
        require_readable(validation)


def require_same_inputs(recipe: Recipe, setup: TrainingSetup) -> None:
    """Raise SingleshotError where processes were started with different inputs."""
    if not setup.processes.is_distributed:
        return
    validation, start, teacher = setup.data.validation, setup.start, setup.teacher
    setup.processes.require_same(
        {
            "the recipe": to_toml(recipe),
            "the training images": setup.fingerprint,
            "the validation images": "" if validation is None else validation.fingerprint(),
            "the detector to start from": ""
            if start is None
            else start.detector.checkpoint.fingerprint(),
            "the classes to start from": "" if start is None else repr(dict(start.class_map)),
            "the teacher": "" if teacher is None else teacher.checkpoint.fingerprint(),
            "the weights of the backbone": hash_backbone_file(recipe),
            "the version of singleshot": __version__,
        }
    )


def hash_backbone_file(recipe: Recipe) -> str:
    """Hash the file with the backbone's weights; "" where the weights come with a library."""
    path = Path(recipe.model.backbone.weights)
    if not path.is_file():
        return ""
    return hash_file(path)


def _result(
    folder: RunFolder, progress: TrainingProgress, stopped_by: int | None, processes: Processes
) -> Run:
    """Return the same result in every process."""
    signals = [number for number in processes.all_gather(stopped_by) if number is not None]
    # Others look at the weights only once the first process has written them.
    checkpoint = processes.broadcast(folder.checkpoint() if processes.is_first else folder.path)
    return Run(
        folder=folder.path,
        checkpoint=checkpoint,
        steps=progress.step,
        mean_average_precision=progress.best,
        stopped_by=signals[0] if signals else None,
        interrupted=not progress.finished,
    )


def _write_report(progress: TrainingProgress, setup: TrainingSetup, command: str) -> None:
    """Write the run's report page, once the training is finished and was validated."""
    validation, processes = setup.data.validation, setup.processes
    if not progress.finished or validation is None:
        return
    if not processes.broadcast(setup.folder.is_done):
        found = report_on_validation(setup.folder, validation, command, processes, setup.device)
        if found:
            setup.callback.on_message(found)
