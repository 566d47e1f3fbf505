"""The command that began a run, recorded in its folder, which alone is then enough to resume it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from singleshot.data.reading import ReadingOptions
from singleshot.errors import ModelError
from singleshot.files import write_atomically
from singleshot.options import as_paths
from singleshot.recipes.load import pairs
from singleshot.runs.folder import RunFolder
from singleshot.training.options import TrainingOptions

__all__ = ["recall_command", "record_of", "save_record"]

_PATHS = ("data", "init", "teacher")
_READING = tuple(one.name for one in fields(ReadingOptions))
_LATER = (
    "prune",
    "quantize",
    "max_latency",
    "max_gmac",
    *_READING,
)  # that runs of earlier versions have not recorded
_NAMES = (
    *_PATHS,
    "split",
    "val_split",
    "class_map",
    "epochs",
    "batch_size",
    "input",
    "overrides",
    "track",
    *_LATER,
)


def record_of(recipe: str | Path, options: TrainingOptions) -> dict[str, Any]:
    """Describe the command of a training as JSON; paths are relative to `directory`."""
    values = {name: getattr(options, name) for name in _NAMES}
    values["data"] = as_paths(options.data)
    return {"directory": str(Path.cwd()), "recipe": str(recipe), **values}


def save_record(folder: RunFolder, record: Mapping[str, Any]) -> None:
    """Write the record of a run that begins."""
    with write_atomically(folder.command) as beside:
        beside.write_text(json.dumps(record, default=str, indent=2) + "\n", encoding="utf-8")


def recall_command(
    recipe: str | Path, options: TrainingOptions
) -> tuple[str | Path, TrainingOptions]:
    """Complete the command that resumes a run by its folder, given in place of the recipe.

    What is given goes before what was recorded. Other commands are returned as they are.

    Raises:
        ModelError: the record is missing, as in runs of earlier versions, or damaged.
    """
    folder = RunFolder(Path(recipe))
    if not (options.resume and options.run is None):
        return recipe, options
    if not folder.path.exists() and len(folder.path.parts) > 1:
        raise ModelError(f"{folder.path}: there is no such run to resume")
    if not folder.path.is_dir():
        return recipe, options
    if not folder.command.exists():
        raise ModelError(
            f"{folder.path}: holds no record of the command that began it; resume with that "
            f"command and --run {folder.path} --resume"
        )
    try:
        record = json.loads(folder.command.read_bytes())
        directory = Path(record["directory"])
        values = {name: record[name] for name in _NAMES if name in record or name not in _LATER}
        recorded = str(record["recipe"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder.command}: damaged ({error}); delete it") from error
    values["data"] = [_locate(path, directory) for path in values["data"]]
    for name in ("init", "teacher", "images"):
        if values.get(name) is not None:
            values[name] = _locate(values[name], directory)
    defaults = {one.name: one.default for one in fields(options)}
    given = {name for name in _NAMES if getattr(options, name) not in (defaults[name], [])}
    if "overrides" in given:
        values["overrides"] = dict(pairs(values["overrides"])) | dict(pairs(options.overrides))
    recalled = {name: value for name, value in values.items() if name not in given - {"overrides"}}
    return _locate(recorded, directory), replace(options, run=folder.path, **recalled)


def _locate(path: str, directory: Path) -> str:
    """Find a path from where the run began; names of recipes and models stay as they are."""
    there = directory / path
    return str(there) if Path.cwd() != directory and there.exists() else path
