"""Store of the trials of a search, which several processes may use at once.

It is SQLite through Optuna: commits are atomic, and locks end with the process that holds them.
Optuna's journal file is not used because a truncated line makes it unreadable, and the lock of a
killed process delays the others for half a minute.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from singleshot.errors import ModelError
from singleshot.recipes.toml import parse_value, toml_value
from singleshot.tuning.search_space import SearchSpace, ValueRange
from singleshot.tuning.trials import Outcome, Trial

__all__ = ["RunningTrial", "TrialStore"]

NAME = "search"
SECONDS_FOR_LOCK = 60.0
FEWEST_FOR_IMPORTANCE = 10  # finished trials
BEST_SHARE = 0.25  # of the trials, whose values importance compares with those of all
# Attributes of the study and of each trial.
IDENTITY = "asked"
KILLED, FAILED, START, REPLACES, SECONDS = "killed", "failed", "start", "replaces", "seconds"
# Optuna's states of a trial and our outcomes.
OUTCOMES: dict[str, Outcome] = {
    "COMPLETE": "finished",
    "PRUNED": "pruned",
    "FAIL": "killed",
    "RUNNING": "running",
}


@dataclass(frozen=True)
class RunningTrial:
    """A trial that this process works on; no other does."""

    number: int
    values: Mapping[str, object]  # of the keys that are searched
    trial: optuna.Trial
    alive: FileLock  # released when the process ends, so that others can repeat the trial

    def report(self, epoch: int, score: float) -> bool:
        """Store a validation; returns False when the trial should be pruned."""
        self.trial.report(score, epoch)
        return not self.trial.should_prune()


class TrialStore:
    """All trials of a search, and the sampler of the next values."""

    def __init__(self, folder: Path, space: SearchSpace, *, seed: int, prune_after: int) -> None:
        """Open or create the store; pruning begins after `prune_after` finished trials."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.space, self.seed = folder, space, seed
        self.lock = FileLock(folder / "search.lock")
        with self.lock:
            # The first process creates the tables, which must not happen twice at once.
            self.storage = RDBStorage(
                f"sqlite:///{folder / 'search.db'}",
                engine_kwargs={"connect_args": {"timeout": SECONDS_FOR_LOCK}},
            )
            self.study = optuna.create_study(
                storage=self.storage,
                study_name=NAME,
                direction="maximize",
                load_if_exists=True,
                pruner=MedianPruner(n_startup_trials=prune_after),
            )

    def register(self, identity: Mapping[str, str], start: Mapping[str, object]) -> None:
        """Store the identity of the search, and queue the unchanged recipe as its first trial.

        Raises ModelError, naming the differences, if the folder holds another search.
        """
        with self.lock:
            known = self.study.user_attrs.get(IDENTITY)
            if known is None:
                known = identity
                possible = all(start[key] in values for key, values in self.space.items())
                if possible and not self.study.get_trials(deepcopy=False):
                    self.study.enqueue_trial(self._encode(start), user_attrs={START: True})
                self.study.set_user_attr(IDENTITY, dict(identity))
        if changed := [key for key, text in identity.items() if known.get(key) != text]:
            raise ModelError(
                f"{self.folder} holds a search with another {' and '.join(changed)}; repeat the "
                f"same command, or choose another --run"
            )

    def start_trial(self, num_trials: int) -> RunningTrial | None:
        """Start the next trial; None when so many are done or running."""
        with self.lock:
            self.requeue_killed_trials()
            trials = self.study.get_trials(deepcopy=False)
            if sum(_counts(trial) for trial in trials) >= num_trials:
                return None
            # A seed for each trial, whichever process starts it.
            self.study.sampler = TPESampler(seed=self.seed + len(trials))
            trial = self.study.ask(self._distributions())
            alive = self._lock_of(trial.number)
            alive.acquire()
        return RunningTrial(trial.number, self._decode(trial.params), trial, alive)

    def finish(
        self, running: RunningTrial, score: float, *, seconds: float, failure: str = ""
    ) -> None:
        """Store the score of a trial that ended, with the reason if it failed."""
        self._end(running, seconds, {FAILED: failure} if failure else {}, score)

    def prune(self, running: RunningTrial, *, seconds: float) -> None:
        """Store that a trial was stopped early."""
        self._end(running, seconds, {}, None)

    def abandon(self, running: RunningTrial, reason: str) -> None:
        """Store that a trial was interrupted, and queue its values again."""
        with self.lock:
            self._kill(running.number, reason)
        running.alive.release()

    def _end(
        self,
        running: RunningTrial,
        seconds: float,
        attributes: Mapping[str, str],
        score: float | None,
    ) -> None:
        """Store a trial's attributes and state, and release its lock."""
        state = TrialState.PRUNED if score is None else TrialState.COMPLETE
        # Another process that looks for killed trials must not find it running without its lock.
        with self.lock:
            for key, value in {SECONDS: seconds, **attributes}.items():
                running.trial.set_user_attr(key, value)
            self.study.tell(running.trial, score, state)
            running.alive.release()

    def requeue_killed_trials(self) -> None:
        """Mark trials as killed whose process has ended, and queue their values again."""
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state.name == "RUNNING" and self._is_dead(trial.number):
                self._kill(trial.number, "the process that trained it ended")

    def _is_dead(self, number: int) -> bool:
        """Test that no process holds the lock of a trial."""
        lock = self._lock_of(number)
        try:
            with lock.acquire(timeout=0):
                return True
        except Timeout:
            return False

    def _kill(self, number: int, reason: str) -> None:
        """Mark a trial as killed, and queue its values again, but only once.

        Values that kill their process each time, as for want of memory, are tried twice.
        """
        study_id = self.storage.get_study_id_from_name(NAME)
        trial_id = self.storage.get_trial_id_from_study_id_trial_number(study_id, number)
        self.storage.set_trial_user_attr(trial_id, KILLED, reason)
        trial = self.study.tell(number, state=TrialState.FAIL)
        if REPLACES not in trial.user_attrs:
            start = {key: True for key in [START] if key in trial.user_attrs}
            self.study.enqueue_trial(trial.params, user_attrs={REPLACES: number, **start})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Exclude the other processes of this search."""
        with self.lock:
            yield

    def list_trials(self) -> tuple[Trial, ...]:
        """List all started trials in order."""
        trials = self.study.get_trials(deepcopy=False)
        return tuple(self._to_trial(trial) for trial in trials if trial.state.name != "WAITING")

    def num_running(self) -> int:
        """Count the running trials."""
        return sum(trial.outcome == "running" for trial in self.list_trials())

    def importances(self) -> Mapping[str, float] | None:
        """Compute the share of each key in deciding which trials are the best quarter; sum 1.

        PED-ANOVA (Watanabe et al. 2023), which needs no further library. None for few trials.
        """
        finished = [one for one in self.list_trials() if one.outcome == "finished"]
        if len(finished) < FEWEST_FOR_IMPORTANCE or len({one.score for one in finished}) == 1:
            return None
        evaluator = PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE)
        return get_param_importances(self.study, evaluator=evaluator)

    def _to_trial(self, trial: FrozenTrial) -> Trial:
        """Convert a trial of Optuna."""
        attributes, state = trial.user_attrs, trial.state.name
        validations = sorted(trial.intermediate_values.items())
        outcome: Outcome
        outcome = "failed" if FAILED in attributes and state == "COMPLETE" else OUTCOMES[state]
        best = max((score for _, score in validations), default=None)
        return Trial(
            number=trial.number,
            outcome=outcome,
            score=trial.value if state == "COMPLETE" else best,
            values=self._decode(trial.params),
            validations=validations,
            seconds=attributes.get(SECONDS),
            reason=attributes.get(FAILED, attributes.get(KILLED, "")),
            replaces=attributes.get(REPLACES),
            is_start=START in attributes,
        )

    def _lock_of(self, number: int) -> FileLock:
        """Return the lock of a trial, which the system releases when its process ends."""
        locks = self.folder / "locks"
        locks.mkdir(exist_ok=True)
        return FileLock(locks / f"{number:03d}")

    def _distributions(self) -> dict[str, BaseDistribution]:
        """Convert the search space to Optuna's distributions."""
        distributions: dict[str, BaseDistribution] = {}
        for key, values in self.space.items():
            if not isinstance(values, ValueRange):
                distributions[key] = CategoricalDistribution(values.choices)
            elif values.whole:
                distributions[key] = IntDistribution(int(values.low), int(values.high), values.log)
            else:
                distributions[key] = FloatDistribution(values.low, values.high, values.log)
        return distributions

    def _encode(self, values: Mapping[str, object]) -> dict[str, object]:
        """Convert values to those of the store: choices are text."""
        is_range = {key: isinstance(one, ValueRange) for key, one in self.space.items()}
        return {key: values[key] if is_range[key] else toml_value(values[key]) for key in is_range}

    def _decode(self, values: Mapping[str, Any]) -> dict[str, object]:
        """Convert values to those of a recipe."""
        return {
            key: values[key] if isinstance(one, ValueRange) else parse_value(values[key])
            for key, one in self.space.items()
        }


def _counts(trial: FrozenTrial) -> bool:
    """Test that a trial counts towards the requested number: done or running, not killed."""
    return trial.state.name in {"COMPLETE", "PRUNED", "RUNNING"}
