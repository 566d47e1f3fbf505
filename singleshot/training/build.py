"""Build a training from its recipe: model, optimizer, batches, and the state of a resumed run."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from singleshot.backbones.backbone import loaded_weights
from singleshot.checkpoints.checkpoint import detector_from
from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.data.augment.paste import Paste, describe_paste
from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.batching import (
    AugmentedImages,
    Images,
    Order,
    TrainingBatches,
    default_workers,
)
from singleshot.data.dataset import DataSet
from singleshot.data.repeats import Repeats, describe_repeats
from singleshot.data.shuffling import ShardWindow
from singleshot.data.splits import TrainingData
from singleshot.detectors.common.quantization import quantize_detector
from singleshot.detectors.detector import Objective, TrainableDetector
from singleshot.errors import RecipeError, SingleshotError
from singleshot.families import build_detector, distil
from singleshot.models.devices import choose_device
from singleshot.options import Device
from singleshot.recipes.schema import Recipe
from singleshot.recipes.training import TrainingSettings
from singleshot.runs.callbacks import Callback, CallbackList
from singleshot.runs.folder import RunFolder
from singleshot.runs.log import read_log
from singleshot.runs.progress import NEVER, TrainingProgress, load_progress
from singleshot.training.batch_norm import synchronise_batch_norms
from singleshot.training.divergence import DivergenceCheck
from singleshot.training.faster_layers import use_faster_layers
from singleshot.training.frozen import freeze
from singleshot.training.loop import Training
from singleshot.training.optimizers import WeightAverage, build_optimizer
from singleshot.training.precautions import compile_network
from singleshot.training.precision import Precision, measured_precision
from singleshot.training.processes import ALONE, Processes
from singleshot.training.quantization import observe_ranges
from singleshot.training.requirements import (
    require_image_in_each_part,
    require_images_for_batch_norm,
)
from singleshot.training.start import Start
from singleshot.training.state import load_state
from singleshot.training.validation import validation_on

__all__ = ["TrainingSetup", "build_images", "build_training", "training_device"]


@dataclass(frozen=True)
class TrainingSetup:
    """Data, run folder, processes and initial weights that a training is built from."""

    data: TrainingData
    folder: RunFolder
    processes: Processes = ALONE
    callback: Callback = CallbackList([])  # noqa: RUF009 (immutable)
    start: Start | None = None  # from another detector
    teacher: TrainedDetector | None = None  # detector that is distilled
    resume: bool = False
    device: torch.device = field(default_factory=choose_device)
    record: Mapping[str, Any] = field(default_factory=dict)  # of the command that begins the run
    chosen: str = ""  # the recipe file that `train auto` has chosen
    all_validation: DataSet | None = None  # where only some of the images are validated on

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the training images' names, classes and boxes: a run resumes with the same."""
        found = self.data.train.fingerprint()
        if self.record.get("rename_class"):
            # Classes of the same names may have been joined in another way.
            labels = self.data.train.truths.labels.numpy()
            found += hashlib.sha256(labels.tobytes()).hexdigest()
        return found


def build_images(
    recipe: Recipe, images: Images, model: TrainableDetector, train: DataSet | None = None
) -> AugmentedImages:
    """Augment images by the recipe, at the network's input size.

    Args:
        recipe: how they are varied.
        images: the images, which may be cached.
        model: the detector that they are for.
        train: the same images as a data set, where the recipe's rules for rare classes are to hold,
            and those for shards.

    Raises:
        RecipeError: the recipe pastes objects, and the shards are larger than the memory.
    """
    red, green, blue = (round(value) for value in model.pixel_mean.flatten().tolist())
    augmentation = Augmentation.of(recipe.augmentation, recipe.model.input, (red, green, blue))
    seed = recipe.training.seed
    if train is None:
        return AugmentedImages(images, augmentation, seed)
    window = ShardWindow.of(train.paths)
    if window is not None and recipe.augmentation.paste:
        raise RecipeError(
            f"augmentation.paste = {recipe.augmentation.paste:g} would read images of any shard, "
            f"and {train.description} has more than are read at a time; leave it at 0 and use "
            f"training.repeat_threshold"
        )
    return AugmentedImages(
        images,
        augmentation,
        seed,
        window=window,
        repeats=Repeats.of(train, recipe.training.repeat_threshold, seed),
        paste=Paste.of(recipe.augmentation, train),
    )


def _distilled_teacher(
    setup: TrainingSetup, settings: TrainingSettings, callback: Callback
) -> TrainedDetector | None:
    """Return the teacher, unless its loss has no weight, which is reported."""
    teacher = setup.teacher
    if teacher is None or settings.distillation.weight:
        return teacher
    callback.on_message(f"{teacher.source}: not distilled (training.distillation.weight = 0)")
    return None


def _build_objective(
    teacher: TrainedDetector,
    student: TrainableDetector,
    settings: TrainingSettings,
    callback: Callback,
) -> Objective:
    """Add the outputs of a teacher to the student's losses."""
    # Weights are random before they are filled: the student's training must not change.
    with torch.random.fork_rng(devices=[]):
        detector = detector_from(teacher.checkpoint, teacher.source)
    objective, description = distil(
        student,
        detector.to(student.pixel_mean.device),
        weight=settings.distillation.weight,
        score_threshold=settings.distillation.score_threshold,
        source=teacher.source,
    )
    callback.on_message(f"{teacher.source}: {description}")
    return objective


def build_training(
    recipe: Recipe, images: Images, setup: TrainingSetup, *, dry_run: bool = False
) -> tuple[Training, TrainingBatches]:
    """Build a training and its batches, from its first step or from where it was interrupted.

    Args:
        recipe: the detector, how images are varied and how it is trained.
        images: the training images, which may be cached.
        setup: data, run folder and processes.
        dry_run: build one to measure and throw away: from its first step, without callbacks.

    Raises:
        RecipeError: the recipe does not fit the data or the processes.
        ModelError: the run was begun with other data, and cannot be resumed.
    """
    processes, resume = setup.processes, setup.resume
    callback: Callback = setup.callback
    if dry_run:
        resume, callback = False, CallbackList([])
    settings = recipe.training
    require_image_in_each_part(settings, processes)
    torch.manual_seed(settings.seed)
    device = setup.device
    model = _build_model(recipe, setup, callback, resume=resume).to(device)
    if _quantizes(recipe, setup) and not (resume or dry_run):
        observe_ranges(model, images)
    require_images_for_batch_norm(model, settings, processes)
    teacher = _distilled_teacher(setup, settings, callback)
    objective = model if teacher is None else _build_objective(teacher, model, settings, callback)
    precision = _set_up_model(model, settings, device, processes)
    settings = settings.model_copy(update={"precision": precision})
    average = WeightAverage(
        model,
        settings.average_decay,
        keep_start=settings.average_with_start and setup.start is not None,
    )
    optimizer = build_optimizer(model, settings)
    progress = TrainingProgress(
        step=0,
        num_steps=_num_steps(settings, len(images)),
        best=None,
        data=setup.fingerprint,
        teacher=None if teacher is None else teacher.checkpoint.fingerprint(),
        num_processes=processes.world_size,
        validated=0 if setup.start is None else NEVER,
    )
    if resume:
        _warn_of_other_processes(setup.folder, processes, callback)
        progress = load_state(
            setup.folder.state,
            model,
            average,
            optimizer,
            processes=processes,
            expected=progress,
        )
    validation = setup.data.validation
    training = Training(
        model=model,
        objective=objective,
        optimizer=optimizer,
        average=average,
        recipe=recipe.model_copy(update={"training": settings}),
        num_images=len(images),
        progress=progress,
        folder=setup.folder,
        callback=callback,
        device=device,
        precision=precision,
        evaluate=None
        if validation is None
        else validation_on(validation, processes, setup.folder.detections_image),
        processes=processes,
        divergence=_divergence_check(settings, setup, progress, resume=resume),
        kept_classes=()
        if setup.start is None
        else setup.start.kept_classes(setup.data.train.class_names),
    )
    return training, _build_batches(training, images, setup.data.train)


def _divergence_check(
    settings: TrainingSettings, setup: TrainingSetup, progress: TrainingProgress, *, resume: bool
) -> DivergenceCheck | None:
    """Compare a training that starts from a detector with its start, if the recipe has it so."""
    if setup.start is None or not settings.stop_when_worse:
        return None
    log = read_log(setup.folder.log) if resume else []
    return DivergenceCheck.resumed(settings.learning_rate, log, progress.step)


def training_device(processes: Processes, requested: Device = "auto") -> torch.device:
    """Choose the device to train on; several processes can only use CUDA or the CPU.

    Raises SingleshotError for a device that this machine does not have, or that several processes
    cannot share.
    """
    device = choose_device(requested)
    if processes.is_distributed and str(device) not in ("cpu", "cuda"):
        if str(requested) == "auto":
            return torch.device("cpu")
        raise SingleshotError(
            f"device: {device}: processes of torchrun compute on cuda, each on its own GPU, or on "
            f"cpu"
        )
    if device.index is not None and device.type == "cuda":
        torch.cuda.set_device(device)  # the one whose memory and random numbers are read
    return device


def _build_model(
    recipe: Recipe, setup: TrainingSetup, callback: Callback, *, resume: bool
) -> TrainableDetector:
    """Build the detector with its initial weights; those of a resumed run are loaded later."""
    start, class_names = setup.start, setup.data.train.class_names
    settings = recipe.model
    if quantizes := _quantizes(recipe, setup):
        # Weights of the start have other names, and batch norms, than those that are quantised.
        settings = settings.model_copy(update={"quantization": None})
    model = build_detector(settings, class_names, pretrained=not (resume or start))
    for loaded in loaded_weights(model):
        callback.on_message(str(loaded))
    if start is not None and not resume:
        callback.on_message(f"{start.detector.source}: {start.transfer_to(model)}")
    if quantizes:
        model.settings = recipe.model
        quantize_detector(model)
    return model


def _quantizes(recipe: Recipe, setup: TrainingSetup) -> bool:
    """Return whether a detector is quantised that starts from one that is not."""
    start = setup.start
    if recipe.model.quantization is None or start is None:
        return False
    return start.detector.checkpoint.recipe.model.quantization is None


def _set_up_model(
    model: TrainableDetector,
    settings: TrainingSettings,
    device: torch.device,
    processes: Processes,
) -> Precision:
    """Compile, freeze and synchronise as the recipe has it; returns the precision, one for all."""
    at_once = settings.batch_size // (processes.world_size * settings.accumulate)
    precision: Precision = (
        processes.broadcast(measured_precision(model, device, at_once))
        if settings.precision == "auto"
        else settings.precision
    )
    if settings.compile:
        compile_network(model, device)
    freeze(model, settings.frozen_parts)
    if processes.is_distributed and settings.batch_norm == "synchronised":
        synchronise_batch_norms(model, device)
    if not settings.compile:  # which has fused kernels of its own
        use_faster_layers(model, device, precision)
    if not processes.is_first:
        # Weights begin alike; what is drawn from here on, as dropout, is each process' own.
        torch.manual_seed(settings.seed + processes.rank)
    return precision


def _num_steps(settings: TrainingSettings, num_images: int) -> int:
    """Count the steps of a recipe with so many images."""
    return settings.steps or -(-(settings.epochs or 0) * num_images // settings.batch_size)


def _build_batches(training: Training, images: Images, train: DataSet) -> TrainingBatches:
    """Build the batches from the next step on, or this process' share of them.

    `images` are those of `train`, which may be cached.
    """
    recipe, processes = training.recipe, training.processes
    settings = recipe.training
    if threshold := settings.repeat_threshold:
        training.callback.on_message(describe_repeats(train, threshold))
    if recipe.augmentation.paste:
        training.callback.on_message(describe_paste(recipe.augmentation, train))
    varied = build_images(recipe, images, training.model, train)
    order = Order(
        len(images),
        settings.batch_size,
        training.progress.num_steps,
        settings.seed,
        first_step=training.progress.step,
        clean_end=recipe.augmentation.clean_end,
        share=processes.rank,
        num_shares=processes.world_size,
        window=varied.window,
        repeats=varied.repeats,
    )
    on_gpu = training.device.type == "cuda"
    workers = settings.workers
    if workers is None:
        workers = default_workers(on_gpu=on_gpu, num_local=processes.local_world_size)
    return TrainingBatches(varied, order, workers=workers, pin_memory=on_gpu)


def _warn_of_other_processes(folder: RunFolder, processes: Processes, callback: Callback) -> None:
    """Warn that resuming with another number of processes is not exact to the last bit."""
    if (before := load_progress(folder.state).num_processes) != processes.world_size:
        callback.on_message(
            f"{folder.path}: begun with {before} processes, resumed with {processes.world_size}: "
            f"the result is the same to rounding, not to the last bit"
        )
