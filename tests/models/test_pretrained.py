import re
import subprocess
import sys

import pytest

from singleshot.errors import ModelError
from singleshot.importers.recognise import WEIGHT_KINDS
from singleshot.models.pretrained import (
    cache_folder,
    find_model,
    find_recipe,
    list_pretrained,
    pretrained_model,
)
from singleshot.recipes.load import recipe_files

CODE = """
import sys
from singleshot.models.pretrained import find_model
print(find_model("."), "torch" in sys.modules)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SINGLESHOT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("model", list_pretrained(), ids=lambda model: model.name)
def test_a_hash_begins_with_the_digits_in_the_published_name(model):
    assert re.fullmatch("[0-9a-f]{64}", model.sha256)
    assert model.url.endswith(f"-{model.sha256[:8]}.pth")
    assert model.url.startswith("https://")


@pytest.mark.parametrize("model", list_pretrained(), ids=lambda model: model.name)
def test_an_entry_can_be_imported_and_is_no_recipe(model):
    assert model.kind in WEIGHT_KINDS
    assert model.name not in recipe_files()


def test_downloads_are_kept_in_the_users_cache(tmp_path, monkeypatch):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("SINGLESHOT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/me")
    assert str(cache_folder()) == "/var/tmp/me/singleshot"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    assert str(cache_folder()) == "/home/me/.cache/singleshot"


def test_another_address_takes_the_place_of_the_folder(monkeypatch):
    model = pretrained_model("ssdlite320-coco")
    assert model.address == model.url
    monkeypatch.setenv("SINGLESHOT_DOWNLOAD_URL", "https://files.example/weights/")
    name = "ssdlite320_mobilenet_v3_large_coco-a79551df.pth"
    assert model.address == f"https://files.example/weights/{name}"


def test_a_name_stands_for_its_run_folder_once_that_is_there(cache, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="run: singleshot models download ssdlite320-coco"):
        find_model("ssdlite320-coco")
    run = cache / "ssdlite320-coco"
    (run / "checkpoints").mkdir(parents=True)
    (run / "recipe.toml").touch()
    with pytest.raises(ModelError, match="not downloaded yet"):  # incomplete
        find_model("ssdlite320-coco")
    (run / "checkpoints/last.safetensors").touch()
    assert find_model("ssdlite320-coco") == run
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ssdlite320-coco").mkdir()
    assert str(find_model("ssdlite320-coco")) == "ssdlite320-coco"  # a path comes first


def test_what_is_neither_path_nor_name_is_refused():
    with pytest.raises(
        ModelError, match="runs/cells: there is no such run folder, checkpoint or weight file"
    ):
        find_model("runs/cells")
    with pytest.raises(ModelError, match="ssd300-vgg16: a recipe, not a trained detector; train"):
        find_model("ssd300-vgg16")
    with pytest.raises(ModelError, match=r"ssd300: no published detector .* ssd300-coco, ssdlite"):
        pretrained_model("ssd300")


def test_near_names_of_runs_and_of_published_detectors_are_offered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/cells").mkdir(parents=True)
    (tmp_path / "runs/cells/recipe.toml").touch()
    for written in ("cell", "runs/cels"):
        with pytest.raises(ModelError, match=r"; did you mean runs/cells\?$"):
            find_model(written)
    with pytest.raises(ModelError, match=r"; did you mean .*ssdlite320-coco"):
        find_model("ssdlite320-cocoo")
    with pytest.raises(ModelError, match=r"see: singleshot models list --pretrained$"):
        find_model("qqq")


def test_a_model_is_found_without_pytorch():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [".", "False"]


def test_a_run_or_downloaded_detector_stands_for_its_recipe(cache, tmp_path):
    with pytest.raises(ModelError, match="run: singleshot models download ssdlite320-coco"):
        find_recipe("ssdlite320-coco")
    with pytest.raises(ModelError, match=r"a folder without recipe\.toml"):
        find_recipe(tmp_path)
    downloaded = cache / "ssdlite320-coco"
    (downloaded / "checkpoints").mkdir(parents=True)
    (downloaded / "checkpoints/last.safetensors").touch()
    for run, name in ((downloaded, "ssdlite320-coco"), (tmp_path, tmp_path)):
        (run / "recipe.toml").touch()
        assert find_recipe(name) == run / "recipe.toml"
    assert find_recipe("ssdlite320-lite0") == "ssdlite320-lite0"
    assert find_recipe("missing.toml") == "missing.toml"
