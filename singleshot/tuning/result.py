"""What a search leaves: a recipe, a page and its trials for programs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from singleshot.data.dataset import DataSet
from singleshot.files import write_atomically
from singleshot.recipes.load import load_recipe, to_toml, toml_value
from singleshot.recipes.schema import Recipe
from singleshot.tuning.page import SearchPage, write_search_report
from singleshot.tuning.search_space import value_at
from singleshot.tuning.trial_tables import Trial, best_of
from singleshot.version import __version__

if TYPE_CHECKING:
    from singleshot.tuning.trials import Trials

__all__ = ["Leavings", "Search", "Task"]

DONE = {"finished", "pruned", "failed"}


@dataclass(frozen=True)
class Search:
    """What a search came to."""

    folder: Path
    recipe: Path | None  # the best values, with every default written out; None without any
    report: Path
    trials: tuple[Trial, ...]
    best: Trial | None  # judged on the validation images, so its score flatters
    importances: Mapping[str, float] | None  # of each key, adding up to 1; None for few trials
    complete: bool  # as many trials are done as were asked for
    stopped_by: int | None  # the signal that a person or a cluster stopped it with, as SIGINT


@dataclass(frozen=True)
class Task:
    """What all trials of a search share."""

    recipe: str
    data: list[Path]
    split: str | None
    val_split: str | None
    overrides: Mapping[str, object]
    start: Recipe  # with the overrides
    train: DataSet
    validation: DataSet

    @property
    def data_options(self) -> list[str]:
        """The images, as they were named."""
        named = {"--split": self.split, "--val-split": self.val_split}
        words = [f"--data={path}" for path in self.data]
        return words + [f"{option}={name}" for option, name in named.items() if name is not None]

    @property
    def longer(self) -> list[str]:
        """To train as long as the recipe itself says, where trials are shorter."""
        whole, short = load_recipe(self.recipe).training, self.start.training
        if whole.epochs is not None and whole.epochs != short.epochs:
            return [f"--set=training.epochs={whole.epochs}"]
        if whole.steps is not None and whole.steps != short.steps:
            return [f"--set=training.steps={whole.steps}"]
        return []


@dataclass(frozen=True)
class Leavings:
    """What one process of a search leaves in its folder, and leaves anew after each trial."""

    task: Task
    trials: Trials
    num_trials: int  # wanted

    def write(self, stopped_by: int | None = None) -> Search:
        """Everything that is known by now."""
        with self.trials.alone():
            told = self.trials.all()
            best, folder = best_of(told), self.trials.folder
            search = Search(
                folder=folder,
                recipe=None if best is None else self.write_recipe(best, len(told)),
                report=folder / "report.html",
                trials=told,
                best=best,
                importances=self.trials.importances(),
                complete=sum(one.outcome in DONE for one in told) >= self.num_trials,
                stopped_by=stopped_by,
            )
            self.write_json(search)
            write_search_report(self.page(search), search.report)
        return search

    def write_recipe(self, best: Trial, num_trials: int) -> Path:
        """The best values as a recipe that opens with where it comes from."""
        path = self.trials.folder / "recipe.toml"
        found = load_recipe(self.task.recipe, {**self.task.overrides, **best.values})
        opening = (
            f"# Found by a search: trial {best.number} of {num_trials}, from "
            f"{Path(self.task.recipe).name}.\n#   {self.command_to_train()}\n"
            f"# Expect: AP {best.score:.3f} on the validation images it was chosen by, and "
            f"somewhat less on others.\n"
        )
        with write_atomically(path) as beside:
            beside.write_text(opening + to_toml(found), encoding="utf-8")
        return path

    def write_json(self, search: Search) -> None:
        """For programs."""
        content = {
            "recipe": self.task.recipe,
            "search": {key: str(values) for key, values in self.trials.space.items()},
            "best": None if search.best is None else search.best.number,
            "importances": search.importances,
            "complete": search.complete,
            "trials": [asdict(one) for one in search.trials],
        }
        with write_atomically(search.folder / "trials.json") as beside:
            beside.write_text(json.dumps(content, indent=2, allow_nan=False), encoding="utf-8")

    def page(self, search: Search) -> SearchPage:
        """The search as a page."""
        task = self.task
        return SearchPage(
            title=Path(task.recipe).stem,
            trained_on=f"{len(task.train)} images ({task.train.description})",
            judged_on=f"{len(task.validation)} images ({task.validation.description})",
            num_judged_on=len(task.validation),
            num_wanted=self.num_trials,
            trials=search.trials,
            space=self.trials.space,
            start={key: value_at(task.start, key) for key in self.trials.space},
            importances=search.importances,
            train_command=self.command_to_train(),
            test_command=shlex.join(
                ["singleshot", "evaluate", self.best_folder, *map(str, task.data), "--split=test"]
            ),
            command=self.command(),
            recipe="" if search.recipe is None else search.recipe.read_text(encoding="utf-8"),
            version=__version__,
        )

    @property
    def best_folder(self) -> str:
        """Where the recipe that was found may be trained."""
        return str(self.trials.folder / "best")

    def command(self) -> str:
        """Go on with the search."""
        words = ["singleshot", "tune", self.task.recipe, *self.task.data_options]
        words += [f"--set={key}={toml_value(one)}" for key, one in self.task.overrides.items()]
        words += [f"--search={key}={one.written}" for key, one in self.trials.space.items()]
        words += [f"--trials={self.num_trials}", f"--run={self.trials.folder}"]
        return shlex.join(words)

    def command_to_train(self) -> str:
        """Train what was found, for as long as the recipe itself would."""
        words = ["singleshot", "train", str(self.trials.folder / "recipe.toml")]
        words += [*self.task.data_options, f"--run={self.best_folder}", *self.task.longer]
        return shlex.join(words)
