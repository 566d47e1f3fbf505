"""All that a training consists of."""

from collections.abc import Sequence

import torch

from singleshot.checkpoints.checkpoint import detector_from
from singleshot.checkpoints.transfer import Start
from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.batching import (
    AugmentedImages,
    Images,
    Order,
    TrainingBatches,
    default_workers,
)
from singleshot.detectors.detector import Objective, TrainableDetector
from singleshot.errors import DataError, RecipeError
from singleshot.families import build_detector, distil
from singleshot.models.opening import best_device
from singleshot.recipes.schema import Recipe
from singleshot.recipes.training import TrainingSettings
from singleshot.runs.callbacks import Callback
from singleshot.runs.folder import RunFolder
from singleshot.runs.progress import Progress, load_progress
from singleshot.training.batch_norm import synchronise_batch_norms
from singleshot.training.compiling import compile_network
from singleshot.training.frozen import freeze
from singleshot.training.loop import Evaluate, Training
from singleshot.training.optimizers import build_optimizer
from singleshot.training.precision import Precision, measured_precision
from singleshot.training.processes import ALONE, Processes
from singleshot.training.state import load_state
from singleshot.training.weight_average import WeightAverage

__all__ = ["build_images", "build_training"]


def build_images(recipe: Recipe, images: Images, model: TrainableDetector) -> AugmentedImages:
    """Images varied as the recipe says, at the network's input size."""
    red, green, blue = (round(value) for value in model.pixel_mean.flatten().tolist())
    augmentation = Augmentation.of(recipe.augmentation, recipe.model.input, (red, green, blue))
    return AugmentedImages(images, augmentation, recipe.training.seed)


def build_objective(
    teacher: Start, student: TrainableDetector, settings: TrainingSettings, callback: Callback
) -> Objective:
    """Add the outputs of a teacher to the student's losses."""
    # Weights are random before they are filled: the student's training must not change.
    with torch.random.fork_rng(devices=[]):
        detector = detector_from(teacher.checkpoint, teacher.place)
    objective, description = distil(
        student,
        detector.to(student.pixel_mean.device),
        weight=settings.distillation.weight,
        score_threshold=settings.distillation.score_threshold,
        source=teacher.place,
    )
    callback.on_message(f"{teacher.place}: {description}")
    return objective


def build_training(
    recipe: Recipe,
    images: Images,
    class_names: Sequence[str],
    *,
    fingerprint: str,
    folder: RunFolder,
    callback: Callback,
    evaluate: Evaluate | None,
    start: Start | None,
    teacher: Start | None,
    resume: bool,
    processes: Processes = ALONE,
) -> tuple[Training, TrainingBatches]:
    """A training and its batches, from the start or from where it was stopped.

    `fingerprint` tells data sets apart: a run goes on with the images it was begun with. `start`
    is a detector to take weights from, `teacher` one to learn from.
    """
    if not class_names:
        raise DataError("the training images have no objects at all; there is nothing to learn")
    settings = recipe.training
    require_an_image_each(settings, processes)
    torch.manual_seed(settings.seed)
    device = training_device(processes)
    model = starting_model(recipe, class_names, start, resume=resume, callback=callback).to(device)
    if teacher is not None and not settings.distillation.weight:
        callback.on_message(f"{teacher.place}: not distilled (training.distillation.weight = 0)")
        teacher = None
    objective = model if teacher is None else build_objective(teacher, model, settings, callback)
    precision = made_ready(model, settings, device, processes)
    settings = settings.model_copy(update={"precision": precision})
    average = WeightAverage(model, settings.average_decay)
    optimizer = build_optimizer(model, settings)
    progress = Progress(
        step=0,
        num_steps=steps_of(settings, len(images)),
        best=None,
        data=fingerprint,
        teacher=None if teacher is None else teacher.checkpoint.fingerprint(),
        num_processes=processes.number,
    )
    if resume:
        tell_of_processes(folder, processes, callback)
        progress = load_state(
            folder.state, model, average, optimizer, processes=processes, expected=progress
        )
    training = Training(
        model=model,
        objective=objective,
        optimizer=optimizer,
        average=average,
        recipe=recipe.model_copy(update={"training": settings}),
        num_images=len(images),
        progress=progress,
        folder=folder,
        callback=callback,
        device=device,
        precision=precision,
        evaluate=evaluate,
        processes=processes,
    )
    return training, build_batches(training, images)


def training_device(processes: Processes) -> torch.device:
    """The accelerator if there is one; of several processes it is CUDA's: others cannot meet."""
    device = best_device()
    return torch.device("cpu") if processes.several and device.type != "cuda" else device


def starting_model(
    recipe: Recipe,
    class_names: Sequence[str],
    start: Start | None,
    *,
    resume: bool,
    callback: Callback,
) -> TrainableDetector:
    """The detector before its first step; of a run that goes on its weights are still to come."""
    model = build_detector(recipe.model, class_names, pretrained=not (resume or start))
    if start is not None and not resume:
        callback.on_message(f"{start.place}: {start.fill(model)}")
    return model


def made_ready(
    model: TrainableDetector,
    settings: TrainingSettings,
    device: torch.device,
    processes: Processes,
) -> Precision:
    """Have only those parts learn that shall; gives the precision, the same in all processes."""
    if settings.compile:
        compile_network(model, device)
    precision: Precision = (
        processes.from_first(measured_precision(model, device))
        if settings.precision == "auto"
        else settings.precision
    )
    freeze(model, settings.frozen)
    if processes.several and settings.batch_norm == "synchronised":
        synchronise_batch_norms(model, device)
    if not processes.first:
        # Weights begin alike; what is drawn from here on, as dropout, is each process' own.
        torch.manual_seed(settings.seed + processes.rank)
    return precision


def steps_of(settings: TrainingSettings, num_images: int) -> int:
    """How long a recipe trains on so many images."""
    return settings.steps or -(-(settings.epochs or 0) * num_images // settings.batch_size)


def build_batches(training: Training, images: Images) -> TrainingBatches:
    """The batches from where a training is, or this process' share of them."""
    settings, processes = training.recipe.training, training.processes
    order = Order(
        len(images),
        settings.batch_size,
        training.progress.num_steps,
        settings.seed,
        first_step=training.progress.step,
        clean_end=training.recipe.augmentation.clean_end,
        share=processes.rank,
        num_shares=processes.number,
    )
    on_gpu = training.device.type == "cuda"
    workers = settings.workers
    if workers is None:
        workers = default_workers(on_gpu=on_gpu, num_local=processes.num_local)
    varied = build_images(training.recipe, images, training.model)
    return TrainingBatches(varied, order, workers=workers, pin_memory=on_gpu)


def tell_of_processes(folder: RunFolder, processes: Processes, callback: Callback) -> None:
    """Going on with another number of them is not exact to the last bit."""
    if (before := load_progress(folder.state).num_processes) != processes.number:
        callback.on_message(
            f"{folder.path}: begun with {before} processes, goes on with {processes.number}: "
            f"the result is the same to rounding, not to the last bit"
        )


def require_an_image_each(settings: TrainingSettings, processes: Processes) -> None:
    if settings.batch_size // processes.number < settings.accumulate:
        raise RecipeError(
            f"training.batch_size = {settings.batch_size} is too few for {processes.number} "
            f"processes and training.accumulate = {settings.accumulate}: each part needs an image"
        )
