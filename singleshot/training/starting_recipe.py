"""The recipe of a training, as far as it depends on the detector that it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from singleshot.auto.start import base_content
from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.errors import ModelError, RecipeError, SingleshotError
from singleshot.models.opening import start_from
from singleshot.recipes.load import AUTO, InitialWeights, load_recipe
from singleshot.recipes.schema import Recipe
from singleshot.recipes.toml import differences
from singleshot.runs.callbacks import OnMessage
from singleshot.runs.folder import RunFolder
from singleshot.training.options import TrainingOptions
from singleshot.training.pruning import prune
from singleshot.training.quantization import quantization_overrides

__all__ = ["StartingRecipe"]


@dataclass(frozen=True)
class StartingRecipe:
    """A recipe with the options that override it, and the detector to start from."""

    name: str | Path | Mapping[str, Any]  # of the recipe, its file, or the content of one
    overrides: Mapping[str, object]
    plain: Recipe  # for a start from a classifier
    detector: TrainedDetector | None = None
    pruned: str = ""  # what pruning the detector has changed
    is_auto: bool = False  # the recipe is still to be chosen: this is the one that is changed

    @classmethod
    def of(cls, recipe: str | Path, options: TrainingOptions) -> StartingRecipe:
        """Load the recipe and the detector of `--init`, prune it, and add what options change.

        Raises SingleshotError where an option needs a detector, and `--init` is none or another.
        """
        start = None if options.init is None else start_from(options.init)
        overrides = options.all_overrides
        is_auto = str(recipe) == AUTO
        name = base_content(start) if is_auto else recipe
        plain = load_recipe(name, overrides)
        if options.init is not None and start is None:
            # Not a detector, so a classifier: its weights are for the backbone.
            _require_none_of_detectors(options)
            weights = str(options.init)
            if is_auto:
                overrides = {**overrides, "model.backbone.weights": weights}
            plain = _with_backbone_weights(plain, weights)
            return cls(name, overrides, plain, is_auto=is_auto)
        summary = ""
        if start is not None and options.prune is not None:
            _require_same_backbone(plain, start)
            start, changes, summary = prune(start, options.prune)
            overrides = {**changes, **overrides}
        if options.quantize:
            overrides = quantization_overrides(plain, overrides)
        plain = load_recipe(name, overrides)
        return cls(name, overrides, plain, start, summary, is_auto)

    def with_recipe(self, recipe: Path | Mapping[str, Any]) -> StartingRecipe:
        """Replace the recipe by one that was chosen: its file, or the content of it."""
        plain = load_recipe(recipe, self.overrides)
        return replace(self, name=recipe, plain=plain, is_auto=False)

    def fine_tuned(self, on_message: OnMessage, *, known: bool) -> Recipe:
        """Load the recipe for a start from a detector, and report what differs from the plain one.

        `known` is whether the detector knows all classes, and its outputs for them are kept.
        """
        if self.pruned:
            on_message(self.pruned)
        settings = self._load("known" if known else "detector")
        if changed := differences(self.plain, settings):
            listed = "; ".join(text.replace(", ", " becomes ", 1) for text in changed)
            classes = "that knows all classes" if known else "that does not know all classes"
            on_message(f"starts from a detector {classes}: {listed} (--set overrides)")
        else:
            rate = settings.training.learning_rate
            on_message(
                f"the recipe has no values of its own for a start from a detector (fine_tuning): "
                f"the learning rate is {rate:g}, as from a classifier; --set "
                f"training.learning_rate=… lowers it"
            )
        return settings

    def to_resume(self, folder: RunFolder) -> Recipe:
        """Return the recipe that a run was begun with; RecipeError where this one is another."""
        if self.is_auto:
            return self.with_recipe(folder.chosen).to_resume(folder)
        if self.detector is None:
            return folder.recipe_to_resume(self.plain)
        # Whether the detector knows all classes was measured when the run began.
        known, new = self._load("known"), self._load("detector")
        try:
            return folder.recipe_to_resume(known)
        except RecipeError:
            return folder.recipe_to_resume(new)

    def _load(self, start: InitialWeights) -> Recipe:
        return load_recipe(self.name, self.overrides, start=start)


def _require_none_of_detectors(options: TrainingOptions) -> None:
    """Raise SingleshotError for an option that needs a detector."""
    given = {
        "--class-map names classes of": bool(options.class_map),
        "--quantize fine-tunes": options.quantize,
        "--prune removes channels of": options.prune is not None,
    }
    for option, is_given in given.items():
        if is_given:
            raise SingleshotError(f"{option} a detector; {options.init} is none known here")


def _require_same_backbone(recipe: Recipe, start: TrainedDetector) -> None:
    """Raise SingleshotError where the recipe has another kind of backbone than the detector."""
    ours, theirs = recipe.model.backbone, start.checkpoint.recipe.model.backbone
    if (ours.kind, ours.name) != (theirs.kind, theirs.name):
        raise SingleshotError(
            f"--prune: the backbone of {start.source} is {theirs.name}, and that of the recipe "
            f"{ours.name}; give {start.source} in place of the recipe"
        )


def _with_backbone_weights(recipe: Recipe, file: str) -> Recipe:
    """Let the backbone start from a file; ModelError for one that has no weights to start from."""
    backbone = recipe.model.backbone
    try:
        backbone = type(backbone).model_validate({**backbone.model_dump(), "weights": file})
    except ValidationError:
        raise ModelError(
            f"{file}: not a detector known here, and a backbone of kind {backbone.kind!r} takes no "
            f"classifier's weights; give a detector to --init"
        ) from None
    return recipe.model_copy(
        update={"model": recipe.model.model_copy(update={"backbone": backbone})}
    )
