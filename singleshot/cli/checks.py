"""Checks of what a command names, before PyTorch is imported, which takes seconds.

The work checks all of it again, by the same functions.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.errors import SingleshotError
from singleshot.options import DataPaths, as_paths

if TYPE_CHECKING:
    from singleshot.data.reading import ReadingOptions
    from singleshot.exporting.options import ExportOptions
    from singleshot.serving.options import ServingOptions
    from singleshot.training.options import TrainingOptions
    from singleshot.tuning.options import TuningOptions

__all__ = [
    "check_data",
    "check_export",
    "check_models",
    "check_recipe",
    "check_search",
    "check_serving",
    "check_subjects",
    "check_training",
    "check_weights",
]


def check_data(
    data: DataPaths, *splits: str | None, reading: "ReadingOptions | None" = None
) -> None:
    """Raise DataError for a missing path, an unknown layout or an unknown split."""
    from singleshot.data.opening import require_splits
    from singleshot.data.reading import AS_IT_IS

    for path in as_paths(data):
        require_splits(path, [one for one in splits if one != "none"], reading or AS_IT_IS)


def check_models(*models: str | Path) -> None:
    """Raise ModelError for what is no run or checkpoint."""
    from singleshot.models.locating import require_model

    for model in models:
        require_model(model)


def check_subjects(models: Sequence[str | Path], **_others: object) -> None:
    """Raise ModelError or RecipeError for what is neither a model nor a recipe."""
    from singleshot.benchmarking.subjects import find_subjects

    find_subjects(models)


def check_export(model: str, options: "ExportOptions") -> None:
    """Raise SingleshotError for a model that is none to export, or for what a format lacks."""
    from singleshot.exporting.request import check_request
    from singleshot.models.locating import require_checkpoint

    require_checkpoint(model)
    check_request(model, options)


def check_weights(file: str | Path) -> None:
    """Raise ModelError where there is no such file, or one that is cut short."""
    from singleshot.models.locating import require_weights

    require_weights(file)


def check_recipe(
    recipe: "str | Mapping[str, Any]", overrides: Mapping[str, object] | Sequence[str]
) -> None:
    """Raise RecipeError for an unknown recipe or key, or an impossible value."""
    from singleshot.recipes.load import load_recipe

    load_recipe(recipe, overrides)


def check_training(recipe: str, options: "TrainingOptions") -> None:
    """Raise SingleshotError for a recipe, image folder, model or run folder that cannot be used."""
    from singleshot.auto.constants import BASE
    from singleshot.models.pretrained import find_recipe
    from singleshot.recipes.load import AUTO
    from singleshot.runs.folder import RunFolder, default_folder
    from singleshot.training.options import require_options_of_auto
    from singleshot.training.record import recall_command

    recalled, options = recall_command(recipe, options)
    recipe = str(recalled)
    require_options_of_auto(recipe, options)
    if recipe != AUTO:
        check_recipe(str(find_recipe(recipe)), options.all_overrides)
    elif options.init is None:  # else the recipe is the start's, which PyTorch reads
        check_recipe({"based_on": BASE}, options.all_overrides)
    for model in (options.init, options.teacher):
        if model is not None:
            check_weights(model)
    if not options.data:
        raise SingleshotError("name the images to train on: --data DATA")
    check_data(options.data, options.split, options.val_split, reading=options.reading)
    if "TORCHELASTIC_RUN_ID" not in os.environ:  # else the processes decide together
        folder = RunFolder(Path(options.run or default_folder(Path(recipe).stem, options.resume)))
        (folder.check_left if options.resume else folder.check_free)()


def check_serving(options: "ServingOptions") -> None:
    """Raise SingleshotError for a missing package, or an address that cannot be served at."""
    from singleshot.serving.address import open_socket, require_packages

    require_packages()
    open_socket(options.host, options.port).close()


def check_search(recipe: str, options: "TuningOptions") -> None:
    """Raise SingleshotError for a recipe, search space or image folder that cannot be used."""
    from singleshot.tuning.search_space import parse_search_space

    check_recipe(recipe, options.overrides)
    parse_search_space(recipe, options.overrides, options.search)
    check_data(options.data, options.split, options.val_split, reading=options.reading)
