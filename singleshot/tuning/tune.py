"""Searching for values of a recipe that suit a data set."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from singleshot.data.dataset import DataSet
from singleshot.data.splits import TrainingData, training_split
from singleshot.errors import NonFiniteLoss, RecipeError, SingleshotError
from singleshot.recipes.load import load_recipe, pairs, to_toml, toml_value
from singleshot.recipes.schema import Recipe
from singleshot.runs.callbacks import (
    Callback,
    CallbackList,
    EvaluationRecord,
    StartRecord,
    StepRecord,
)
from singleshot.runs.folder import RunFolder
from singleshot.runs.places import Data, default_folder, listed
from singleshot.training.interrupt import immediate_interrupts
from singleshot.training.train import train
from singleshot.tuning.result import Leavings, Search, Task
from singleshot.tuning.search_space import SearchSpace, search_space, value_at
from singleshot.tuning.trial_tables import SEED

if TYPE_CHECKING:
    from singleshot.tuning.trials import Claim, Trials

__all__ = ["Kept", "Search", "tune"]

Kept = Literal["log", "checkpoint", "all"]

SECONDS_BETWEEN_LOOKS = 1.0  # at what other processes do


def tune(
    recipe: str | Path,
    data: Data,
    *,
    trials: int,
    run: str | Path | None = None,
    split: str | None = None,
    val_split: str | None = None,
    overrides: Mapping[str, object] | Sequence[str] = (),
    search: Sequence[str] = (),
    timeout: float | None = None,
    seed: int = 0,
    prune_after: int = 5,
    keep: Kept = "checkpoint",
    callback: Callback | None = None,
) -> Search:
    """Train a recipe with other values again and again, and leave the best ones as a recipe.

    The same call goes on with a search that was stopped; several processes may make it at once.

    Args:
        recipe: a shipped recipe's name, or a TOML file.
        data: a folder or JSON file of annotated images, or several, joined by class name.
        trials: trainings in all, also those of earlier calls and of other processes.
        run: the folder to write; left out, the first free one under `runs/`.
        split: the images to learn from; left out, `train`, else `trainval`, else all.
        val_split: the images that trials are judged on; left out, `val`, else a tenth set aside.
        overrides: recipe keys and values that hold for all trials, as in `train`.
        search: what to try, `["training.learning_rate=0.001..0.1:log", "augmentation.flip=0,0.5"]`;
            left out, what is worth trying with any recipe.
        timeout: seconds after which no further trial begins.
        seed: of what is tried.
        prune_after: trials to be finished before one is stopped early for being worse than half of
            them.
        keep: what stays of each trial: its recipe and log, its best checkpoint as well, or all.
        callback: its methods are called as the search proceeds; see `Callback`.

    Raises:
        SingleshotError: one of its kinds; nothing is trained when the input is at fault.
    """
    require_possible(val_split)
    from singleshot.tuning.trials import Trials  # noqa: PLC0415 (an extra)

    space = search_space(str(recipe), overrides, search)
    start = load_recipe(recipe, overrides)
    chosen = judged_split(listed(data), split, val_split, start, space)
    folder = default_folder(f"{Path(recipe).stem}-search", False) if run is None else Path(run)
    RunFolder(folder).check_free()
    task = Task(
        recipe=str(recipe),
        data=listed(data),
        split=split,
        val_split=val_split,
        overrides=dict(pairs(overrides)),
        start=start,
        train=chosen.train,
        validation=judged_on(chosen),
    )
    with immediate_interrupts(lambda: f"Stopped; the same command with --run {folder} goes on."):
        shared = Trials(folder, space, seed=seed, prune_after=prune_after)
        shared.agree(asked_for(task, space, seed), {key: value_at(start, key) for key in space})
        work = Work(
            task=task,
            trials=shared,
            num_trials=trials,
            keep=keep,
            callback=CallbackList([] if callback is None else [callback]),
            deadline=None if timeout is None else time.monotonic() + timeout,
        )
        return work.run()


def require_possible(val_split: str | None) -> None:
    """Raises SingleshotError for what no search can do."""
    if find_spec("optuna") is None:
        raise SingleshotError(
            "a search needs Optuna; install it with: pip install 'singleshot[tune]'"
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SingleshotError(
            "a search is shared by starting the same command several times, without torchrun"
        )
    if val_split is not None and "test" in val_split.split("+"):
        raise SingleshotError(
            f"--val-split {val_split}: the test images are for the one measurement after a "
            f"search; judge trials on others"
        )


def judged_split(
    data: Sequence[Path],
    split: str | None,
    val_split: str | None,
    start: Recipe,
    space: SearchSpace,
) -> TrainingData:
    """The images to learn from and to judge on, the same for all trials; else SingleshotError."""
    seed = start.training.seed
    chosen = training_split(data, split, val_split, seed)
    judged_on(chosen)
    if SEED in space:
        other = training_split(data, split, val_split, seed + 1).validation
        if other is None or other.fingerprint() != judged_on(chosen).fingerprint():
            raise SingleshotError(
                f"--search {SEED}: it also chooses the tenth that is set aside, so that trials "
                f"would be judged on different images; name them with --val-split"
            )
    return chosen


def judged_on(chosen: TrainingData) -> DataSet:
    """The validation images; SingleshotError without any."""
    if chosen.validation is None:
        raise SingleshotError(
            "a search has to judge its trials, and there is no image to judge on; name some with "
            "--val-split"
        )
    return chosen.validation


def asked_for(task: Task, space: SearchSpace, seed: int) -> Mapping[str, str]:
    """What has to be the same to go on with a search."""
    return {
        "recipe": to_toml(task.start),
        "--search": " ".join(f"{key}={values.written}" for key, values in space.items()),
        "training images": task.train.fingerprint(),
        "validation images": task.validation.fingerprint(),
        "--seed": str(seed),
    }


class Pruned(Exception):
    """A training that is not worth going on with; its state is saved."""


@dataclass
class Ear:
    """A callback that hears how good a trial is, and ends it where others were better."""

    claim: Claim
    num_steps: int = 0

    def on_start(self, start: StartRecord) -> None:
        """Note its length."""
        self.num_steps = start.num_steps

    def on_step(self, step: StepRecord) -> None:
        """Its length may change on the way."""
        self.num_steps = step.num_steps

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Raises Pruned, unless the training is over anyway."""
        promising = self.claim.report(record.epoch, record.mean_average_precision)
        is_last = record.ends_early or record.step >= self.num_steps
        if not (promising or is_last):
            raise Pruned

    def on_message(self, message: str) -> None:
        """Nothing to learn from it."""

    def on_finish(self) -> None:
        """What it came to is returned."""


@dataclass(frozen=True)
class Work:
    """One process of a search."""

    task: Task
    trials: Trials
    num_trials: int
    keep: Kept
    callback: Callback
    deadline: float | None

    def run(self) -> Search:
        """Work until as many trials are done, by whichever process, or the time is over."""
        leavings = Leavings(self.task, self.trials, self.num_trials)
        stopped_by, waits = None, False
        while stopped_by is None and not self.time_is_over:
            claim = self.trials.claim(self.num_trials)
            if claim is not None:
                stopped_by, waits = self.attempt(claim), False
                leavings.write()
            elif not self.trials.others_running():
                break
            else:
                # A process may end before its trial does: then there is something to do again.
                if not waits:
                    self.callback.on_message("waiting for the trials of other processes")
                waits = True
                time.sleep(SECONDS_BETWEEN_LOOKS)
        return leavings.write(stopped_by)

    @property
    def time_is_over(self) -> bool:
        """No further trial may begin."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def attempt(self, claim: Claim) -> int | None:
        """Train with the values of a trial; gives the signal that stopped it, if one did."""
        self.callback.on_message(f"trial {claim.number}: {in_words(claim.values)}")
        folder = RunFolder(self.trials.folder / "trials" / f"{claim.number:03d}")
        begun = time.monotonic()
        try:
            run = train(
                self.task.recipe,
                self.task.data,
                run=folder.path,
                split=self.task.split,
                val_split=self.task.val_split,
                overrides={**self.task.overrides, **claim.values},
                callback=CallbackList([self.callback, Ear(claim)]),
            )
            seconds = time.monotonic() - begun
            if run.interrupted:
                self.trials.give_up(claim, "it was stopped")
                return run.stopped_by
            assert run.mean_average_precision is not None
            self.trials.finish(claim, run.mean_average_precision, seconds=seconds)
        except Pruned:
            self.callback.on_message(
                f"trial {claim.number} is pruned: half of the others were better"
            )
            self.trials.prune(claim, seconds=time.monotonic() - begun)
        except (NonFiniteLoss, RecipeError) as error:
            # Values that diverge or exclude each other are worth nothing, and worth knowing.
            self.callback.on_message(f"trial {claim.number} came to nothing: {error}")
            self.trials.finish(claim, 0.0, seconds=time.monotonic() - begun, reason=str(error))
        except BaseException as error:
            self.trials.give_up(claim, f"{type(error).__name__}: {error}")
            raise
        finally:
            tidy(folder, self.keep)
        return None


def in_words(values: Mapping[str, object]) -> str:
    """What a trial tries, in one line."""
    return ", ".join(
        f"{key} = {f'{value:.4g}' if isinstance(value, float) else toml_value(value)}"
        for key, value in values.items()
    )


def tidy(folder: RunFolder, keep: Kept) -> None:
    """Leave of a trial's run what is wanted."""
    if keep == "all":
        return
    for whole in (folder.state.parent, folder.tensorboard):
        shutil.rmtree(whole, ignore_errors=True)
    folder.report.unlink(missing_ok=True)
    if keep == "log":
        shutil.rmtree(folder.best.parent, ignore_errors=True)
    elif folder.best.exists():
        folder.last.unlink(missing_ok=True)
