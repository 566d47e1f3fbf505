"""Decide whether a run starts, resumes or is refused, and describe one that was interrupted."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from filelock import FileLock, Timeout

from singleshot.errors import ModelError
from singleshot.files import write_atomically
from singleshot.recipes.schema import Recipe
from singleshot.runs.folder import RunFolder
from singleshot.runs.progress import load_progress
from singleshot.runs.splits import RunSplits
from singleshot.training.build import TrainingSetup
from singleshot.training.processes import Processes
from singleshot.training.record import save_record

__all__ = ["begin_run", "describe_interrupted", "describe_resumed", "is_resumed", "locked"]

# Processes that prepared images for a killed training may hold its lock until they notice; shared
# storage, the lock of a machine that is gone.
SECONDS_FOR_LOCK, SECONDS_AFTER_RESTART = 10.0, 120.0


def is_resumed(folder: RunFolder, processes: Processes, *, requested: bool) -> bool:
    """Return whether the run in this folder is resumed; ModelError where it cannot start or resume.

    It is resumed on request, and also under torchrun, which restarts its commands. The recipe,
    images and teacher are compared with those of the run later; nothing is overwritten.
    """
    if _was_restarted(folder, processes):
        return True
    if requested:
        folder.check_left()
    else:
        folder.check_free()
    return requested


def _was_restarted(folder: RunFolder, processes: Processes) -> bool:
    """Return whether torchrun, which restarts processes, has started this training before."""
    if not processes.supervised:
        return False
    # Of those that were started again, one may have been lost after all was done.
    (again,) = processes.any(processes.restarted)
    left = folder.state.exists() and (again or not folder.is_done)
    if any(processes.any(left)) and not left:
        raise ModelError(_not_shared(folder))
    return left


@contextmanager
def locked(setup: TrainingSetup) -> Iterator[None]:
    """Keep other trainings out of the run folder; the lock ends with its process.

    Raises ModelError where another training has it.
    """
    folder = setup.folder
    with ExitStack() as until_end:
        if setup.processes.is_first:
            path = folder.state.parent / "lock"
            restarted = setup.processes.restarted
            seconds = SECONDS_AFTER_RESTART if restarted else SECONDS_FOR_LOCK
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                # A file that stands for a lock, its usual stand-in, would outlive a kill.
                lock = FileLock(path, timeout=seconds, fallback_to_soft=False)
                until_end.enter_context(lock)
            except Timeout as error:
                raise ModelError(
                    f"{folder.path}: another process trains in this folder; wait until it ends, or "
                    f"choose another --run"
                ) from error
            except OSError as error:
                # Storage without locks; or a full disk, which the next file reports.
                setup.callback.on_message(
                    f"{folder.path} cannot be locked ({error}): start no other training there"
                )
        yield


def begin_run(
    setup: TrainingSetup, recipe: Recipe, *, requested: Recipe, start: RunSplits | None
) -> None:
    """Create the run folder with the recipe and the names of its images.

    Args:
        setup: data, run folder and processes.
        recipe: as it is trained.
        requested: as it was before anything was measured.
        start: images of the run that the training starts from.

    Raises:
        DataError: an image cannot be read.
        ModelError: some process cannot see the folder, or it holds another run by now.
    """
    folder, processes = setup.folder, setup.processes
    if processes.is_first:
        folder.check_free()
        validation = setup.all_validation or setup.data.validation
        splits = RunSplits.of(setup.data._replace(validation=validation), start=start)
        splits.save(folder.splits)
        save_record(folder, setup.record)
        if setup.chosen:
            with write_atomically(folder.chosen) as beside:
                beside.write_text(setup.chosen, encoding="utf-8")
        folder.begin(recipe, requested=requested)
    # Nobody looks before it is there.
    processes.broadcast(None)
    if not folder.recipe.exists():
        raise ModelError(_not_shared(folder))


def describe_resumed(folder: RunFolder) -> str:
    """Describe from which step a run is resumed."""
    progress = load_progress(folder.state)
    if progress.finished:
        return f"{folder.path}: all {progress.step} steps are done"
    return f"{folder.path}: resumes after step {progress.step}"


def describe_interrupted(folder: RunFolder, processes: Processes) -> str:
    """Describe a run that was interrupted at once, and how to resume it; "" but in one process."""
    if not processes.is_first:
        return ""
    if not folder.state.exists():
        return "Interrupted before the training began; the same command begins it."
    progress = load_progress(folder.state)
    if not progress.finished:
        return (
            f"Interrupted at once; --run {folder.path} --resume resumes after step "
            f"{progress.step}, which was saved last."
        )
    if not folder.is_done:
        return f"Interrupted after the last step; --run {folder.path} --resume writes the report."
    return f"Interrupted after the training; {folder.path} is complete."


def _not_shared(folder: RunFolder) -> str:
    return (
        f"{folder.path}: another process sees a run here, this one does not; choose a --run on "
        f"storage that all machines share"
    )
