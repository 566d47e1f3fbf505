"""The trials of a search in its store, which several processes may work on at once.

The store is SQLite through Optuna: a commit is whole or not there, and locks end with the process
that holds them. Optuna's journal file was tried and left: a line cut short by a power cut makes it
unreadable, and the lock of a killed process holds up the others for half a minute.
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
from singleshot.recipes.load import parse_value, toml_value
from singleshot.tuning.search_space import Between, SearchSpace
from singleshot.tuning.trial_tables import Trial

__all__ = ["Claim", "Trials"]

NAME = "search"
SECONDS_FOR_LOCK = 60.0
FEWEST_FOR_IMPORTANCE = 10  # finished trials
TOP = 0.25  # of the trials: what is common to them, and not to the others, mattered
# Notes that the store keeps beside the search and beside each trial.
ASKED = "asked"
KILLED, FAILED, START, REPLACES, SECONDS = "killed", "failed", "start", "replaces", "seconds"
# Optuna's words for how a trial stands, and ours.
OUTCOMES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "killed", "RUNNING": "running"}


@dataclass(frozen=True)
class Claim:
    """A trial that this process alone works on."""

    number: int
    values: Mapping[str, object]  # of the keys that are searched
    trial: optuna.Trial
    alive: FileLock  # ends with the process: then the trial is free for others

    def report(self, epoch: int, score: float) -> bool:
        """Note a validation; gives whether the trial is worth going on with."""
        self.trial.report(score, epoch)
        return not self.trial.should_prune()


class Trials:
    """Who works on what, what was found, and what to try next."""

    def __init__(self, folder: Path, space: SearchSpace, *, seed: int, prune_after: int) -> None:
        """Open the store or create it; `prune_after` is how many trials are finished before."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.space, self.seed = folder, space, seed
        self.lock = FileLock(folder / "search.lock")
        with self.lock:
            # Tables are created at the first time, which must not happen twice at once.
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

    def agree(self, asked: Mapping[str, str], start: Mapping[str, object]) -> None:
        """Note what is asked for, and that the recipe as it is comes first.

        Raises ModelError, naming what differs, where another search is going on.
        """
        with self.lock:
            known = self.study.user_attrs.get(ASKED)
            if known is None:
                known = asked
                possible = all(start[key] in values for key, values in self.space.items())
                if possible and not self.study.get_trials(deepcopy=False):
                    self.study.enqueue_trial(self.encoded(start), user_attrs={START: True})
                self.study.set_user_attr(ASKED, dict(asked))
        if changed := [key for key, text in asked.items() if known.get(key) != text]:
            raise ModelError(
                f"{self.folder} holds a search with another {' and '.join(changed)}; give the same "
                f"command again, or choose another --run"
            )

    def claim(self, num_trials: int) -> Claim | None:
        """A trial to work on; None when so many are done or being worked on."""
        with self.lock:
            self.bury_dead()
            trials = self.study.get_trials(deepcopy=False)
            if sum(counts(trial) for trial in trials) >= num_trials:
                return None
            # Another seed for each trial, the same whichever process begins it.
            self.study.sampler = TPESampler(seed=self.seed + len(trials))
            trial = self.study.ask(self.distributions())
            alive = self.lock_of(trial.number)
            alive.acquire()
        return Claim(trial.number, self.decoded(trial.params), trial, alive)

    def finish(self, claim: Claim, score: float, *, seconds: float, reason: str = "") -> None:
        """The trial was trained to its end; with a reason, it came to nothing."""
        self.end(claim, seconds, {FAILED: reason} if reason else {}, score)

    def prune(self, claim: Claim, *, seconds: float) -> None:
        """The trial was stopped, because others were better by then."""
        self.end(claim, seconds, {}, None)

    def give_up(self, claim: Claim, reason: str) -> None:
        """The trial was stopped from outside: another takes its place."""
        with self.lock:
            self.bury(claim.number, reason)
        claim.alive.release()

    def end(
        self, claim: Claim, seconds: float, notes: Mapping[str, str], score: float | None
    ) -> None:
        """Note what is known of it, and let go."""
        for key, text in {SECONDS: seconds, **notes}.items():
            claim.trial.set_user_attr(key, text)
        state = TrialState.PRUNED if score is None else TrialState.COMPLETE
        self.study.tell(claim.trial, score, state)
        claim.alive.release()

    def bury_dead(self) -> None:
        """Trials whose process is gone are free."""
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state.name == "RUNNING" and self.is_dead(trial.number):
                self.bury(trial.number, "the process that trained it ended")

    def is_dead(self, number: int) -> bool:
        """Whether nobody holds the trial any more."""
        lock = self.lock_of(number)
        try:
            with lock.acquire(timeout=0):
                return True
        except Timeout:
            return False

    def bury(self, number: int, reason: str) -> None:
        """Mark a trial as killed, and put its values first in the queue, but only once.

        Values that kill their process each time, as with too little memory, are tried twice.
        """
        study_id = self.storage.get_study_id_from_name(NAME)
        trial_id = self.storage.get_trial_id_from_study_id_trial_number(study_id, number)
        self.storage.set_trial_user_attr(trial_id, KILLED, reason)
        trial = self.study.tell(number, state=TrialState.FAIL)
        if REPLACES not in trial.user_attrs:
            notes = {key: True for key in [START] if key in trial.user_attrs}
            self.study.enqueue_trial(trial.params, user_attrs={REPLACES: number, **notes})

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other process of this search does the same meanwhile."""
        with self.lock:
            yield

    def all(self) -> tuple[Trial, ...]:
        """Every trial that was begun, in order."""
        trials = self.study.get_trials(deepcopy=False)
        return tuple(self.told(trial) for trial in trials if trial.state.name != "WAITING")

    def others_running(self) -> int:
        """Trials that other processes work on."""
        return sum(trial.outcome == "running" for trial in self.all())

    def importances(self) -> Mapping[str, float] | None:
        """How much each key decided whether a trial is among the best quarter; they add up to 1.

        PED-ANOVA (Watanabe et al. 2023), which needs no further library. None for few trials.
        """
        finished = [one for one in self.all() if one.outcome == "finished"]
        if len(finished) < FEWEST_FOR_IMPORTANCE or len({one.score for one in finished}) == 1:
            return None
        evaluator = PedAnovaImportanceEvaluator(target_quantile=TOP)
        return get_param_importances(self.study, evaluator=evaluator)

    def told(self, trial: FrozenTrial) -> Trial:
        """A trial in our words."""
        notes, state = trial.user_attrs, trial.state.name
        validations = sorted(trial.intermediate_values.items())
        outcome = "failed" if FAILED in notes and state == "COMPLETE" else OUTCOMES[state]
        best = max((score for _, score in validations), default=None)
        return Trial(
            number=trial.number,
            outcome=outcome,  # type: ignore[arg-type]
            score=trial.value if state == "COMPLETE" else best,
            values=self.decoded(trial.params),
            validations=validations,
            seconds=notes.get(SECONDS),
            reason=notes.get(FAILED, notes.get(KILLED, "")),
            replaces=notes.get(REPLACES),
            is_start=START in notes,
        )

    def lock_of(self, number: int) -> FileLock:
        """What the process that works on a trial holds; the system frees it when that ends."""
        locks = self.folder / "locks"
        locks.mkdir(exist_ok=True)
        return FileLock(locks / f"{number:03d}")

    def distributions(self) -> dict[str, BaseDistribution]:
        """The space in Optuna's words."""
        found: dict[str, BaseDistribution] = {}
        for key, values in self.space.items():
            if not isinstance(values, Between):
                found[key] = CategoricalDistribution(values.choices)
            elif values.whole:
                found[key] = IntDistribution(int(values.low), int(values.high), values.log)
            else:
                found[key] = FloatDistribution(values.low, values.high, values.log)
        return found

    def encoded(self, values: Mapping[str, object]) -> dict[str, object]:
        """As the store has them: choices as text."""
        is_range = {key: isinstance(one, Between) for key, one in self.space.items()}
        return {key: values[key] if is_range[key] else toml_value(values[key]) for key in is_range}

    def decoded(self, values: Mapping[str, Any]) -> dict[str, object]:
        """As a recipe has them."""
        return {
            key: values[key] if isinstance(one, Between) else parse_value(values[key])
            for key, one in self.space.items()
        }


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those asked for: done or being worked on, but not killed."""
    return trial.state.name in {"COMPLETE", "PRUNED", "RUNNING"}
