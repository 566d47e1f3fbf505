"""Published detectors: the table of those that can be downloaded, and where they are kept.

Nothing here reaches the network; `download` does.
"""

from __future__ import annotations

import difflib
import os
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from singleshot.backports import tomllib
from singleshot.errors import ModelError
from singleshot.files import cache_folder
from singleshot.recipes.load import recipe_files
from singleshot.runs.folder import RunFolder

__all__ = [
    "PretrainedModel",
    "cache_folder",
    "find_model",
    "find_recipe",
    "list_pretrained",
    "pretrained_model",
]

TABLE = Path(str(resources.files("singleshot.models")), "pretrained.toml")
DOWNLOAD_URL = "SINGLESHOT_DOWNLOAD_URL"  # environment variable


@dataclass(frozen=True)
class PretrainedModel:
    """A published detector, as the table describes it."""

    name: str
    about: str
    trained_on: str
    ap: float  # box AP on COCO val2017, as published
    url: str  # of the file of weights
    sha256: str
    size: int  # bytes
    kind: str  # of `importers.recognise.WEIGHT_KINDS`
    source: str  # page of the publisher
    licence: str

    @property
    def folder(self) -> Path:
        """The run folder that a download writes."""
        return cache_folder() / self.name

    @property
    def file(self) -> Path:
        """The downloaded weights, until they are imported."""
        return cache_folder() / self.url.rpartition("/")[2]

    @property
    def is_downloaded(self) -> bool:
        """True once the run folder is there with its recipe and a checkpoint."""
        run = RunFolder(self.folder)
        return run.recipe.is_file() and (run.last.is_file() or run.best.is_file())

    @property
    def address(self) -> str:
        """The URL, or that of a file of the same name below SINGLESHOT_DOWNLOAD_URL."""
        folder = os.environ.get(DOWNLOAD_URL)
        return f"{folder.rstrip('/')}/{self.file.name}" if folder else self.url

    def to_json(self) -> dict[str, Any]:
        """Convert to the entry that `models list --pretrained --json` prints."""
        return {**vars(self), "run": str(self.folder) if self.is_downloaded else None}


def list_pretrained() -> list[PretrainedModel]:
    """List the published detectors that can be downloaded by name."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return [PretrainedModel(name=name, **entry) for name, entry in table.items()]


def pretrained_model(name: str) -> PretrainedModel:
    """Look up a published detector; raises ModelError for an unknown name."""
    known = {model.name: model for model in list_pretrained()}
    if name not in known:
        raise ModelError(
            f"{name}: no published detector of this name; there are {', '.join(known)}. For "
            f"weights in a file: singleshot models import FILE"
        )
    return known[name]


def find_model(model: str | Path) -> Path:
    """Find a run folder or a file: a path, or the name of a downloaded detector.

    Raises ModelError for a path that does not exist, and for a detector that is not downloaded yet.
    """
    path = Path(model)
    if path.exists():
        return path
    named = next((one for one in list_pretrained() if one.name == str(model)), None)
    if named is None and str(model) in recipe_files():
        raise ModelError(
            f"{model}: a recipe, not a trained detector; train it, or see: singleshot models list "
            f"--pretrained"
        )
    if named is None:
        raise ModelError(
            f"{model}: there is no such run folder, checkpoint or weight file{_hint(str(model))}"
        )
    if not named.is_downloaded:
        raise ModelError(
            f"{model}: not downloaded yet; run: singleshot models download {model} "
            f"({named.size / 1e6:.0f} MB)"
        )
    return named.folder


def find_recipe(recipe: str | Path) -> str | Path:
    """Find the recipe of a run folder or of a downloaded detector; others stay as they are.

    Raises ModelError for a folder that is no run, and for a detector that is not downloaded yet.
    """
    is_named = any(one.name == str(recipe) for one in list_pretrained())
    if str(recipe) in recipe_files() or not (is_named or Path(recipe).is_dir()):
        return recipe
    model = find_model(recipe)
    if not model.is_dir():
        return model
    found = RunFolder(model).recipe
    if not found.is_file():
        raise ModelError(f"{recipe}: a folder without recipe.toml; expected a run folder")
    return found


def _hint(model: str) -> str:
    """Name the published detectors and run folders whose names are near."""
    path = Path(model)
    runs: list[str] = []
    for parent in dict.fromkeys([path.parent, Path("runs")]):
        with suppress(OSError):
            runs += [str(folder.parent) for folder in sorted(parent.glob("*/recipe.toml"))]
    names = {name: name for name in (*runs, *(one.name for one in list_pretrained()))}
    names |= {Path(run).name: run for run in reversed(runs)}
    near = [names[name] for name in difflib.get_close_matches(model, names, n=3)]
    near += [names[name] for name in difflib.get_close_matches(path.name, names, n=3)]
    if near:
        return f"; did you mean {' or '.join(list(dict.fromkeys(near))[:3])}?"
    return "; for detectors to download, see: singleshot models list --pretrained"
