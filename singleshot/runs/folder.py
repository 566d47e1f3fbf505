"""The folder of a run: what is where, and whether it may be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from singleshot.errors import ModelError, RecipeError
from singleshot.files import write_atomically
from singleshot.recipes.load import differences, load_run_recipe, to_toml
from singleshot.recipes.schema import Recipe
from singleshot.runs.progress import load_progress

__all__ = ["RunFolder"]


@dataclass(frozen=True)
class RunFolder:
    """Names of the files of one run."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe with every default written out."""
        return self.path / "recipe.toml"

    @property
    def log(self) -> Path:
        """One JSON object a line: steps and evaluations."""
        return self.path / "log.jsonl"

    @property
    def last(self) -> Path:
        """The newest weights, averaged if the recipe says so."""
        return self.path / "checkpoints" / "last.safetensors"

    @property
    def best(self) -> Path:
        """The weights that validated best."""
        return self.path / "checkpoints" / "best.safetensors"

    @property
    def operating_point(self) -> Path:
        """The score thresholds that were chosen for its weights."""
        return self.path / "operating_point.json"

    @property
    def state(self) -> Path:
        """All that going on needs."""
        return self.path / "training_state" / "state.safetensors"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def profile(self) -> Path:
        """Where the time of the first steps went, as a table."""
        return self.path / "profile.txt"

    @property
    def trace(self) -> Path:
        """The same operator by operator, in Chrome's format."""
        return self.path / "profile.json.gz"

    @property
    def asked(self) -> Path:
        """The recipe as it was asked for, before anything was measured."""
        return self.path / "training_state" / "asked.toml"

    @property
    def report(self) -> Path:
        """The page that shows the run."""
        return self.path / "report.html"

    @property
    def is_done(self) -> bool:
        """Nothing is left to do of the run that is there: neither steps nor, after them, a page."""
        progress = load_progress(self.state)
        # Without a validation there is no page.
        return progress.finished and (progress.best is None or self.report.exists())

    def check_free(self) -> None:
        """Raises ModelError when a run is already there."""
        if self.state.exists() and not self.is_done:
            raise ModelError(
                f"{self.path} already holds a run that was stopped; go on with --resume, or choose "
                f"another --run"
            )
        if any(path.exists() for path in (self.state, self.best, self.last)):
            raise ModelError(f"{self.path} already holds a finished run; choose another --run")
        if self.path.exists() and not self.path.is_dir():
            raise ModelError(f"{self.path} is a file; choose another --run")

    def check_left(self) -> None:
        """Raises ModelError when there is no run that has something left to do."""
        if not self.state.exists():
            raise ModelError(
                f"{self.path} holds no run that was begun; leave --resume out to begin one"
            )
        if self.is_done:
            raise ModelError(f"{self.path} is finished; there is nothing to resume")

    def recipe_to_resume(self, wanted: Recipe) -> Recipe:
        """The recipe that the run was begun with; RecipeError when that is not the one wanted."""
        begun = load_run_recipe(self.recipe)
        # How images get here may change; what was measured when the run began stays as it is.
        supply = {"workers": wanted.training.workers, "cache": wanted.training.cache}
        begun = with_training(begun, supply)
        if self.asked.exists() and wanted == with_training(load_run_recipe(self.asked), supply):
            return begun
        wanted = with_training(wanted, {"precision": begun.training.precision})
        if changed := differences(begun, wanted):
            raise RecipeError(
                f"{self.path} was begun with another recipe ({', '.join(changed)}); "
                f"resume with the same, or begin a new run"
            )
        return begun

    def begin(self, recipe: Recipe, *, asked: Recipe | None = None) -> None:
        """Create the folder with its recipe, and with what was asked for before measuring."""
        if asked is not None:
            with write_atomically(self.asked) as beside:
                beside.write_text(to_toml(asked), encoding="utf-8")
        with write_atomically(self.recipe) as beside:
            beside.write_text(to_toml(recipe), encoding="utf-8")

    def checkpoint(self) -> Path:
        """The weights to use: the best, or the last where nothing was validated."""
        for path in (self.best, self.last):
            if path.exists():
                return path
        raise ModelError(f"{self.path} holds no checkpoint yet")


def with_training(recipe: Recipe, values: Mapping[str, object]) -> Recipe:
    """The recipe with these keys of its training changed."""
    training = recipe.training.model_copy(update=values)
    return recipe.model_copy(update={"training": training})
