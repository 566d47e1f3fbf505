"""Report of a search: the best recipe, the trials as JSON, and the page."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from singleshot.data.dataset import DataSet
from singleshot.files import write_atomically
from singleshot.options import as_paths
from singleshot.recipes.load import load_recipe, pairs
from singleshot.recipes.schema import Recipe
from singleshot.recipes.toml import to_toml
from singleshot.training.options import TrainingOptions
from singleshot.tuning.options import TuningOptions
from singleshot.tuning.page import SearchPage, write_search_page
from singleshot.tuning.search_space import SearchSpace, value_at
from singleshot.tuning.trials import Trial, best_of
from singleshot.version import __version__

if TYPE_CHECKING:
    from singleshot.tuning.store import TrialStore

__all__ = ["SearchReport", "SearchResult", "SearchTask"]

DONE = {"finished", "pruned", "failed"}


@dataclass(frozen=True)
class SearchResult:
    """Files, trials and best values of a search."""

    folder: Path
    recipe: Path | None  # with the best values and every default written out; None without any
    report: Path
    trials: tuple[Trial, ...]
    best: Trial | None  # selected on the validation images, so its score is optimistic
    importances: Mapping[str, float] | None  # of each key, adding up to 1; None for few trials
    complete: bool  # as many trials are done as were requested
    stopped_by: int | None  # the signal that interrupted it, as SIGINT


@dataclass(frozen=True)
class SearchTask:
    """Recipe, options and images that all trials of a search share."""

    recipe: str
    options: TuningOptions  # with the folder and the whole search space written out
    space: SearchSpace
    start: Recipe  # with the overrides
    train: DataSet
    validation: DataSet
    folder: Path

    @property
    def overrides(self) -> Mapping[str, object]:
        """Recipe keys and values that hold for all trials."""
        return dict(pairs(self.options.overrides))

    @property
    def original_length(self) -> Mapping[str, int]:
        """Override for a training as long as the recipe's own, where trials are shorter."""
        original, short = load_recipe(self.recipe).training, self.start.training
        if original.epochs is not None and original.epochs != short.epochs:
            return {"training.epochs": original.epochs}
        if original.steps is not None and original.steps != short.steps:
            return {"training.steps": original.steps}
        return {}


@dataclass(frozen=True)
class SearchReport:
    """Writes recipe.toml, trials.json and report.html after each trial."""

    task: SearchTask
    store: TrialStore

    def write(self, stopped_by: int | None = None) -> SearchResult:
        """Write all files from the trials in the store."""
        with self.store.locked():
            trials, folder = self.store.list_trials(), self.task.folder
            best = best_of(trials)
            num_done = sum(one.outcome in DONE for one in trials)
            result = SearchResult(
                folder=folder,
                recipe=None if best is None else self._write_recipe(best, len(trials)),
                report=folder / "report.html",
                trials=trials,
                best=best,
                importances=self.store.importances(),
                complete=num_done >= self.task.options.trials,
                stopped_by=stopped_by,
            )
            self._write_json(result)
            write_search_page(self._page(result), result.report)
        return result

    def _write_recipe(self, best: Trial, num_trials: int) -> Path:
        """Write the recipe with the best values, below a comment on their origin."""
        path = self.task.folder / "recipe.toml"
        recipe = load_recipe(self.task.recipe, {**self.task.overrides, **best.values})
        opening = (
            f"# Found by a search: trial {best.number} of {num_trials}, from "
            f"{Path(self.task.recipe).name}.\n#   {self._training_command()}\n"
            f"# Expect: AP {best.score:.3f} on the validation images it was selected on, and "
            f"somewhat less on others.\n"
        )
        with write_atomically(path) as partial:
            partial.write_text(opening + to_toml(recipe), encoding="utf-8")
        return path

    def _write_json(self, result: SearchResult) -> None:
        """Write all trials as JSON."""
        content = {
            "recipe": self.task.recipe,
            "search": {key: str(values) for key, values in self.task.space.items()},
            "best": None if result.best is None else result.best.number,
            "importances": result.importances,
            "complete": result.complete,
            "trials": [asdict(one) for one in result.trials],
        }
        with write_atomically(result.folder / "trials.json") as partial:
            partial.write_text(json.dumps(content, indent=2, allow_nan=False), encoding="utf-8")

    def _page(self, result: SearchResult) -> SearchPage:
        """Collect the content of the page."""
        task = self.task
        data = map(str, as_paths(task.options.data))
        return SearchPage(
            title=Path(task.recipe).stem,
            trained_on=f"{len(task.train)} images ({task.train.description})",
            evaluated_on=f"{len(task.validation)} images ({task.validation.description})",
            num_evaluated_on=len(task.validation),
            num_trials=task.options.trials,
            trials=result.trials,
            space=task.space,
            start={key: value_at(task.start, key) for key in task.space},
            importances=result.importances,
            train_command=self._training_command(),
            test_command=shlex.join(
                ["singleshot", "evaluate", self._best_folder, *data, "--split", "test"]
            ),
            command=task.options.to_command("tune", task.recipe),
            recipe="" if result.recipe is None else result.recipe.read_text(encoding="utf-8"),
            version=__version__,
        )

    @property
    def _best_folder(self) -> str:
        """Folder that the commands use for a training of the best recipe."""
        return str(self.task.folder / "best")

    def _training_command(self) -> str:
        """Write the command that trains the best recipe as long as the original recipe does."""
        options = self.task.options
        training = TrainingOptions(
            options.data,
            split=options.split,
            val_split=options.val_split,
            run=self._best_folder,
            overrides=self.task.original_length,
        )
        return training.to_command("train", str(self.task.folder / "recipe.toml"))
