"""The folder of a run: its files, and whether it can be started or resumed."""

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from singleshot.errors import ModelError, RecipeError
from singleshot.files import require_own_folder, write_atomically
from singleshot.recipes.load import load_run_recipe
from singleshot.recipes.schema import Recipe
from singleshot.recipes.toml import differences, to_toml
from singleshot.runs.progress import load_progress

__all__ = ["RunFolder", "default_folder", "model_name", "with_training"]


@dataclass(frozen=True)
class RunFolder:
    """Paths of the files of one run."""

    path: Path

    @classmethod
    def containing(cls, model: Path) -> "RunFolder | None":
        """Find the run that a folder or a checkpoint belongs to; None for one that is in no run."""
        path = model.resolve()
        folder = cls(path if path.is_dir() else path.parent.parent)
        belongs = path in {folder.path, folder.best, folder.last}
        return folder if belongs and folder.recipe.exists() else None

    @property
    def recipe(self) -> Path:
        """The recipe with every default written out."""
        return self.path / "recipe.toml"

    @property
    def chosen(self) -> Path:
        """The recipe that `train auto` has chosen, with reasons."""
        return self.path / "auto.toml"

    @property
    def log(self) -> Path:
        """One JSON object per line: steps and evaluations."""
        return self.path / "log.jsonl"

    @property
    def last(self) -> Path:
        """The newest weights; averaged where the recipe has `training.average_decay`."""
        return self.path / "checkpoints" / "last.safetensors"

    @property
    def best(self) -> Path:
        """The weights that validated best."""
        return self.path / "checkpoints" / "best.safetensors"

    @property
    def splits(self) -> Path:
        """The images that were trained on and validated on."""
        return self.path / "splits.json"

    @property
    def operating_point(self) -> Path:
        """Score thresholds chosen for the weights of the run."""
        return self.path / "operating_point.json"

    @property
    def state(self) -> Path:
        """State of the training, to resume from."""
        return self.path / "training_state" / "state.safetensors"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def batch_image(self) -> Path:
        """The first augmented batch, drawn with its objects."""
        return self.path / "images" / "augmented_batch.jpg"

    @property
    def detections_image(self) -> Path:
        """Detections of the last validation, drawn on some of its images."""
        return self.path / "images" / "validation.jpg"

    @property
    def profile(self) -> Path:
        """Profile of the first steps, as a table."""
        return self.path / "profile.txt"

    @property
    def trace(self) -> Path:
        """Profile of the first steps by operator, in Chrome's format."""
        return self.path / "profile.json.gz"

    @property
    def command(self) -> Path:
        """The command that began the run, as JSON."""
        return self.path / "training_state" / "command.json"

    @property
    def requested(self) -> Path:
        """The recipe as requested, before anything was measured."""
        return self.path / "training_state" / "asked.toml"

    @property
    def report(self) -> Path:
        """The report page of the run."""
        return self.path / "report.html"

    @property
    def is_done(self) -> bool:
        """True when neither steps nor the report page are left to do."""
        progress = load_progress(self.state)
        # Without a validation there is no page.
        return progress.finished and (progress.best is None or self.report.exists())

    def check_free(self, others: Collection[str] = ()) -> None:
        """Raise ModelError when the folder holds a run already, StorageError for other files.

        Names of `others` may be there.
        """
        if self.state.exists() and not self.is_done:
            raise ModelError(
                f"{self.path} already holds an interrupted run; continue it with --resume, or "
                f"choose another --run"
            )
        if any(path.exists() for path in (self.state, self.best, self.last)):
            raise ModelError(f"{self.path} already holds a finished run; choose another --run")
        require_own_folder(self.path, self._names().union(others))

    def _names(self) -> set[str]:
        """List what a training that ended before its first save may have left."""
        files = (self.log, self.last.parent, self.state.parent, self.tensorboard, self.profile)
        # A recipe alone may be the user's own, which would be written over.
        recipe = {self.recipe.name} if self.requested.exists() else set()
        chosen = {self.chosen.name} if self.command.exists() else set()
        return {path.name for path in (*files, self.trace, self.splits)} | recipe | chosen

    def check_left(self) -> None:
        """Raise ModelError when the folder holds no run that can be resumed."""
        if not self.state.exists():
            raise ModelError(
                f"{self.path} holds no run that was begun; leave --resume out to begin one"
            )
        if self.is_done:
            raise ModelError(
                f"{self.path} is finished; there is nothing to resume, and a finished run is not "
                f"prolonged: begin another from its weights with --init {self.path}"
            )

    @property
    def begun_recipe(self) -> Recipe:
        """The recipe that the run was begun with, what was measured then included."""
        return load_run_recipe(self.recipe)

    def recipe_to_resume(self, recipe: Recipe) -> Recipe:
        """Return the recipe that the run was begun with; RecipeError when `recipe` is another."""
        begun = self.begun_recipe
        # These may change; what was measured when the run began stays as it is.
        names = ("workers", "cache", "cache_folder", "stop_when_worse")
        supply = {name: getattr(recipe.training, name) for name in names}
        begun = with_training(begun, supply)
        if self.requested.exists() and recipe == with_training(
            load_run_recipe(self.requested), supply
        ):
            return begun
        if recipe.training.precision == "auto":
            recipe = with_training(recipe, {"precision": begun.training.precision})
        if changed := differences(begun, recipe):
            raise RecipeError(
                f"{self.path} was begun with another recipe ({', '.join(changed)}); resume with "
                f"the same, by the folder alone (train --resume {self.path}), or begin a new run"
            )
        return begun

    def begin(self, recipe: Recipe, *, requested: Recipe | None = None) -> None:
        """Create the folder with its recipe, and with the recipe as requested before measuring."""
        if requested is not None:
            with write_atomically(self.requested) as beside:
                beside.write_text(to_toml(requested), encoding="utf-8")
        with write_atomically(self.recipe) as beside:
            beside.write_text(to_toml(recipe), encoding="utf-8")

    def checkpoint(self) -> Path:
        """Return the best weights, or the last where nothing was validated; else ModelError."""
        for path in (self.best, self.last):
            if path.exists():
                return path
        raise ModelError(f"{self.path} holds no checkpoint yet")


def model_name(model: str | Path) -> str:
    """Name a model after its run; one that is in no run after its folder or file."""
    path = Path(model).resolve()
    if path.parent.name == "checkpoints":
        return path.parent.parent.name
    return path.name if path.is_dir() else path.stem


def with_training(recipe: Recipe, values: Mapping[str, object]) -> Recipe:
    """Copy a recipe with other values of its `training` table."""
    training = recipe.training.model_copy(update=values)
    return recipe.model_copy(update={"training": training})


def default_folder(name: str, resume: bool) -> Path:
    """Return the first free one of runs/NAME, runs/NAME-2, …; to resume, the last existing one."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    last = folder = Path("runs", next(names))
    while folder.exists():
        last, folder = folder, Path("runs", next(names))
    return last if resume else folder
