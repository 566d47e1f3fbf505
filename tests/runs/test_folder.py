from __future__ import annotations

import pytest

from singleshot.errors import ModelError, RecipeError, StorageError
from singleshot.recipes.load import load_recipe
from singleshot.runs.folder import RunFolder, model_name


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def test_a_new_and_an_empty_folder_are_free(folder):
    folder.check_free()
    folder.path.mkdir()
    (folder.path / ".DS_Store").touch()
    folder.check_free()


def test_a_folder_of_other_files_is_refused(folder):
    (folder.path / "JPEGImages").mkdir(parents=True)
    with pytest.raises(StorageError, match="is not empty and holds no run: there is JPEGImages"):
        folder.check_free()


@pytest.mark.parametrize("name", ["recipe.toml", "auto.toml"])
def test_a_recipe_of_the_users_own_is_not_written_over(folder, name):
    folder.path.mkdir()
    (folder.path / name).touch()
    with pytest.raises(StorageError, match=f"there is {name}"):
        folder.check_free()


def test_a_training_that_ended_before_its_first_save_can_begin_again(folder):
    recipe = load_recipe("ssdlite320-lite0")
    folder.begin(recipe, requested=recipe)
    for file in (folder.command, folder.chosen, folder.log, folder.profile, folder.trace):
        file.touch()
    folder.tensorboard.mkdir()
    folder.check_free()


def test_a_finished_run_and_a_file_are_refused(folder):
    folder.path.touch()
    with pytest.raises(StorageError, match="is a file; choose the path of a folder"):
        folder.check_free()
    folder.path.unlink()
    folder.last.parent.mkdir(parents=True)
    folder.last.touch()
    with pytest.raises(ModelError, match="already holds a finished run"):
        folder.check_free()


def test_a_precision_that_is_given_has_to_be_that_of_the_run(folder):
    begun = load_recipe("ssdlite320-lite0", {"training.precision": "float32"})
    folder.begin(begun, requested=load_recipe("ssdlite320-lite0"))
    momentum = {"training.momentum": 0.8}
    measured = load_recipe("ssdlite320-lite0", {"training.precision": "auto"})
    assert folder.recipe_to_resume(measured) == begun
    other = load_recipe("ssdlite320-lite0", {"training.precision": "bfloat16"})
    with pytest.raises(RecipeError, match=r"another recipe .*precision"):
        folder.recipe_to_resume(other)
    with pytest.raises(RecipeError, match=r"another recipe \(training.momentum"):
        folder.recipe_to_resume(load_recipe("ssdlite320-lite0", momentum))


def test_a_model_is_named_after_its_run_folder_or_file(tmp_path, monkeypatch):
    run = tmp_path / "v1.2"
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints/best.safetensors").touch()
    (tmp_path / "old.v3.safetensors").touch()
    assert model_name(run) == model_name(run / "checkpoints/best.safetensors") == "v1.2"
    assert model_name(tmp_path / "old.v3.safetensors") == "old.v3"
    monkeypatch.chdir(run)
    assert model_name(".") == "v1.2"
    assert model_name("ssdlite320-coco") == "ssdlite320-coco"
