"""A package that adds one extension of each type trains, evaluates and is listed."""

# Tests singleshot/detectors/family.py, singleshot/settings.py, singleshot/__init__.py

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cells import make_cells
from command_line import singleshot as command

import singleshot
from singleshot.backports import tomllib
from singleshot.data.opening import FORMATS, formats, open_dataset
from singleshot.errors import PluginError, RecipeError
from singleshot.recipes.load import load_recipe

PLUGIN = Path(__file__).parent / "plugin"


def install(project: Path, folder: Path) -> None:
    """Write what pip writes, without a build and without the network."""
    about = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    (package,) = (path.parent for path in project.glob("*/__init__.py"))
    shutil.copytree(package, folder / package.name)
    metadata = folder / f"{package.name}-{about['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n"
    )
    lines = []
    for group, entries in about["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture(autouse=True)
def no_extensions(monkeypatch):
    monkeypatch.setattr("singleshot.plugins._extensions", [])
    monkeypatch.setattr("singleshot.plugins._called", set())
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "shapes_plugin"]:
        del sys.modules[name]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The folder that the plugin is installed in."""
    install(PLUGIN, tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "site"


@pytest.fixture
def csv(tmp_path, installed):
    """The cells in the plugin's format."""
    assert (installed / "shapes_plugin").is_dir()
    from shapes_plugin.format import write

    write(open_dataset(make_cells(tmp_path / "cells"), "train"), tmp_path / "csv")
    return tmp_path / "csv"


def test_its_recipe_trains_its_detector_on_its_format(csv, tmp_path):
    trained = command("train", "centres", "--data", str(csv), "--run", str(tmp_path / "run"))
    assert trained.exit_code == 0, trained.stderr
    assert "shapes layout of" in trained.stderr
    evaluated = command("evaluate", str(tmp_path / "run"), str(csv), "--json")
    assert evaluated.exit_code == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["images"] == 5
    # A run is a detector as any other.
    assert singleshot.load(tmp_path / "run", device="cpu").settings.kind == "centres"


def test_an_ssd_trains_with_its_backbone_and_losses(csv, tmp_path):
    overrides = {
        "model.input": [96, 128],
        "model.backbone.kind": "two-convolutions",
        "model.heads.scores": "sigmoid",
        "model.priors.sizes_unit": [0.2, 0.35, 0.5, 0.65, 0.8, 0.95],
        "model.priors.aspect_ratios": [[2]] * 5,
        "model.loss.classification": "balanced",
        "model.loss.localization": "corners",
        "training.steps": 4,
        "training.batch_size": 2,
        "training.workers": 0,
    }
    run = singleshot.train(
        "ssdlite320-lite0", csv, run=tmp_path / "run", val_split="none", overrides=overrides
    )
    assert run.steps == 4
    assert singleshot.load(run.folder, device="cpu").backbone.channels == (16, 32)


def test_the_command_lists_its_recipe(installed):
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); import singleshot.__main__"
    words = [sys.executable, "-c", code, "models", "list", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    (listed,) = (one for one in json.loads(done.stdout) if one["recipe"] == "centres")
    assert (listed["num_boxes"], listed["input"]) == (48, [96, 128])
    assert listed["parameters"] == 3 * 16 * 64 + 16 + 16 * 32 * 4 + 32 + 32 * 24 + 24


@pytest.mark.usefixtures("installed")
def test_errors_list_its_names():
    with pytest.raises(RecipeError, match=r"there are darknet, .*two-convolutions"):
        load_recipe("ssdlite320-lite0", {"model.backbone.kind": "none"})


def test_a_loss_that_nobody_registered_is_refused():
    with pytest.raises(RecipeError, match="'balanced': there are mined, focal"):
        load_recipe("ssdlite320-lite0", {"model.loss.classification": "balanced"})


def test_two_extensions_of_one_name_are_refused():
    twin = singleshot.BackboneKind("timm", singleshot.BackboneSettings, lambda *_: None)
    singleshot.register(twin)
    with pytest.raises(PluginError, match="two of type BackboneKind are named 'timm'"):
        load_recipe("ssdlite320-lite0")


def test_a_broken_plugin_is_named(tmp_path, monkeypatch):
    install(PLUGIN, tmp_path / "site")
    (tmp_path / "site/shapes_plugin/losses.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(tmp_path / "site")
    message = r"plugin 'shapes' of the package shapes-plugin 1.0 cannot be loaded.*nothing_of"
    with pytest.raises(PluginError, match=message):
        load_recipe("ssdlite320-lite0")


def test_help_loads_no_plugin(tmp_path, monkeypatch):
    install(PLUGIN, tmp_path / "site")
    (tmp_path / "site/shapes_plugin/__init__.py").write_text("raise ValueError")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert command("--help").exit_code == 0
    assert command("models", "--help").exit_code == 0


@pytest.mark.usefixtures("installed")
def test_formats_of_plugins_come_last():
    assert [each.name for each in formats()] == [*(each.name for each in FORMATS), "shapes"]
