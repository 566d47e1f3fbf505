"""Search for values of a recipe that suit a data set, in one of several processes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from singleshot.data.dataset import DataSet
from singleshot.data.splits import TrainingData, training_split
from singleshot.errors import NonFiniteLoss, RecipeError, SingleshotError
from singleshot.models.devices import choose_device
from singleshot.options import as_paths, takes
from singleshot.recipes.load import load_recipe, pairs
from singleshot.recipes.toml import to_toml, toml_value
from singleshot.runs.callbacks import (
    Callback,
    CallbackList,
    EvaluationRecord,
    StartRecord,
    StepRecord,
)
from singleshot.runs.display import training_display
from singleshot.runs.folder import RunFolder, default_folder
from singleshot.training.interrupt import immediate_interrupts
from singleshot.training.train import train
from singleshot.tuning.options import Keep, TuningOptions
from singleshot.tuning.report import SearchReport, SearchResult, SearchTask
from singleshot.tuning.search_space import SearchSpace, parse_search_space, value_at
from singleshot.tuning.trials import SEED_KEY

if TYPE_CHECKING:
    from singleshot.tuning.store import RunningTrial, TrialStore

__all__ = ["tune"]

# Of a search, which resumes in its folder.
SEARCH_FILES = (
    "best",
    "locks",
    "recipe.toml",
    "report.html",
    "search.db",
    "search.lock",
    "trials",
    "trials.json",
)
POLL_SECONDS = 1.0  # between looks at the trials of other processes


@takes(TuningOptions)
def tune(recipe: str | Path, options: TuningOptions) -> SearchResult:
    """Train a recipe with other values again and again, and write the best ones as a recipe.

    The same call resumes an interrupted search; several processes may make it at once.

    Args:
        recipe: a shipped recipe's name, or a TOML file.

    Raises:
        SingleshotError: one of its kinds; nothing is trained when an argument cannot be used.
    """
    _require_possible(options)
    from singleshot.tuning.store import TrialStore  # noqa: PLC0415 (an extra)

    task = _prepare(str(recipe), options)
    hint = f"Stopped; repeat the same command with --run {task.folder} to resume."
    with (
        training_display(options.progress, options.callback) as callback,
        immediate_interrupts(lambda: hint),
    ):
        store = TrialStore(
            task.folder, task.space, seed=options.seed, prune_after=options.prune_after
        )
        store.register(_identity(task), {key: value_at(task.start, key) for key in task.space})
        seconds = options.timeout
        worker = _SearchWorker(
            task=task,
            store=store,
            callback=CallbackList([] if callback is None else [callback]),
            deadline=None if seconds is None else time.monotonic() + seconds,
        )
        return worker.run()


def _require_possible(options: TuningOptions) -> None:
    """Raise SingleshotError without Optuna or device, under torchrun, or for test images."""
    choose_device(options.device)
    if find_spec("optuna") is None:
        raise SingleshotError(
            "a search needs Optuna; install it with: pip install 'singleshot[tune]'"
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SingleshotError(
            "a search does not run under torchrun; start the same command several times instead"
        )
    if options.val_split is not None and "test" in options.val_split.split("+"):
        raise SingleshotError(
            f"--val-split {options.val_split}: the test images are for one evaluation after the "
            f"search; evaluate trials on others"
        )


def _prepare(recipe: str, options: TuningOptions) -> SearchTask:
    """Check recipe, search space and images, and write out the options of the search."""
    space = parse_search_space(recipe, options.overrides, options.search)
    start = load_recipe(recipe, options.overrides)
    images = _split_data(options, start.training.seed, space)
    folder = options.run or default_folder(f"{Path(recipe).stem}-search", False)
    RunFolder(Path(folder)).check_free(SEARCH_FILES)
    written_out = replace(
        options,
        data=as_paths(options.data),
        run=folder,
        overrides=[f"{key}={toml_value(value)}" for key, value in pairs(options.overrides)],
        search=[f"{key}={values.text}" for key, values in space.items()],
    )
    return SearchTask(
        recipe=recipe,
        options=written_out,
        space=space,
        start=start,
        train=images.train,
        validation=_validation(images),
        folder=Path(folder),
    )


def _split_data(options: TuningOptions, seed: int, space: SearchSpace) -> TrainingData:
    """Return the training and validation images, the same for all trials.

    Raises SingleshotError when the search of the seed would change the validation images.
    """
    data, splits = as_paths(options.data), (options.split, options.val_split)
    images = training_split(data, *splits, seed, options.reading)
    fingerprint = _validation(images).fingerprint()
    if SEED_KEY in space:
        other = training_split(data, *splits, seed + 1, options.reading).validation
        if other is None or other.fingerprint() != fingerprint:
            raise SingleshotError(
                f"--search {SEED_KEY}: it also selects the tenth that is set aside, so that trials "
                f"would be evaluated on different images; name them with --val-split"
            )
    return images


def _validation(images: TrainingData) -> DataSet:
    """Return the validation images; raise SingleshotError without any."""
    if images.validation is None:
        raise SingleshotError(
            "a search has to evaluate its trials, and there are no validation images; name some "
            "with --val-split"
        )
    return images.validation


def _identity(task: SearchTask) -> Mapping[str, str]:
    """Describe all that has to be equal to resume a search."""
    return {
        "recipe": to_toml(task.start),
        "--search": " ".join(task.options.search),
        "training images": task.train.fingerprint(),
        "validation images": task.validation.fingerprint(),
        "--seed": str(task.options.seed),
    }


class _Pruned(Exception):
    """A training is stopped early; its state is saved."""


@dataclass
class PruningCallback:
    """Stores each validation of a trial, and stops the training where others were better."""

    trial: RunningTrial
    num_steps: int = 0

    def on_start(self, start: StartRecord) -> None:
        """Store the number of steps."""
        self.num_steps = start.num_steps

    def on_step(self, step: StepRecord) -> None:
        """Store the number of steps, which may change on the way."""
        self.num_steps = step.num_steps

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Raise _Pruned, unless this is the last validation anyway."""
        should_continue = self.trial.report(record.epoch, record.mean_average_precision)
        is_last = record.ends_early or record.step >= self.num_steps
        if not (should_continue or is_last):
            raise _Pruned

    def on_message(self, message: str) -> None:
        """Ignore messages."""

    def on_finish(self) -> None:
        """Ignore the end, whose result `train` returns."""


@dataclass(frozen=True)
class _SearchWorker:
    """One process of a search."""

    task: SearchTask
    store: TrialStore
    callback: Callback
    deadline: float | None

    def run(self) -> SearchResult:
        """Run trials until enough are done, by any process, or the time is over."""
        report = SearchReport(self.task, self.store)
        stopped_by, is_waiting = None, False
        while stopped_by is None and not self.is_late:
            trial = self.store.start_trial(self.task.options.trials)
            if trial is not None:
                stopped_by, is_waiting = self.run_trial(trial), False
                report.write()
            elif not self.store.num_running():
                break
            else:
                # A process may end before its trial does: then its values are to be tried again.
                if not is_waiting:
                    self.callback.on_message("waiting for the trials of other processes")
                is_waiting = True
                time.sleep(POLL_SECONDS)
        return report.write(stopped_by)

    @property
    def is_late(self) -> bool:
        """No further trial may start."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def run_trial(self, trial: RunningTrial) -> int | None:
        """Train with the values of a trial; return the signal that interrupted it, if any."""
        self.callback.on_message(f"trial {trial.number}: {_describe(trial.values)}")
        folder = RunFolder(self.task.folder / "trials" / f"{trial.number:03d}")
        start, options = time.monotonic(), self.task.options
        try:
            run = train(
                self.task.recipe,
                options.data,
                run=folder.path,
                split=options.split,
                val_split=options.val_split,
                device=options.device,
                overrides={**self.task.overrides, **trial.values},
                callback=CallbackList([self.callback, PruningCallback(trial)]),
                progress=False,  # the search shows it
                **vars(options.reading),
            )
            seconds = time.monotonic() - start
            if run.interrupted:
                self.store.abandon(trial, "it was interrupted")
                return run.stopped_by
            assert run.mean_average_precision is not None
            self.store.finish(trial, run.mean_average_precision, seconds=seconds)
        except _Pruned:
            self.callback.on_message(
                f"trial {trial.number} is pruned: more than half of the others were better"
            )
            self.store.prune(trial, seconds=time.monotonic() - start)
        except (NonFiniteLoss, RecipeError) as error:
            # The sampler learns from a score of 0 to avoid values that diverge or conflict.
            self.callback.on_message(f"trial {trial.number} failed: {error}")
            self.store.finish(trial, 0.0, seconds=time.monotonic() - start, failure=str(error))
        except BaseException as error:
            self.store.abandon(trial, f"{type(error).__name__}: {error}")
            raise
        finally:
            _remove_files(folder, options.keep)
        return None


def _describe(values: Mapping[str, object]) -> str:
    """Write the values of a trial in one line."""
    return ", ".join(
        f"{key} = {f'{value:.4g}' if isinstance(value, float) else toml_value(value)}"
        for key, value in values.items()
    )


def _remove_files(folder: RunFolder, keep: Keep) -> None:
    """Remove the files of a trial that are not to be kept."""
    if keep == "all":
        return
    for whole in (folder.state.parent, folder.tensorboard):
        shutil.rmtree(whole, ignore_errors=True)
    folder.report.unlink(missing_ok=True)
    if keep == "log":
        shutil.rmtree(folder.best.parent, ignore_errors=True)
    elif folder.best.exists():
        folder.last.unlink(missing_ok=True)
