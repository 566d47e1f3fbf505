import pytest

from singleshot.benchmarking.subjects import find_subjects
from singleshot.errors import ModelError, RecipeError, SingleshotError


def test_a_model_comes_before_a_recipe_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (subject,) = find_subjects(["localizer"])
    assert subject.is_recipe
    (tmp_path / "localizer").mkdir()
    with pytest.raises(ModelError, match="localizer"):
        find_subjects(["localizer"])


def test_what_is_neither_is_refused(tmp_path):
    with pytest.raises(ModelError, match="there is no such run folder"):
        find_subjects([tmp_path / "absent"])
    (tmp_path / "broken.toml").write_text("[model]\nkind = 'no such kind'\n")
    with pytest.raises(RecipeError, match="no such kind"):
        find_subjects([tmp_path / "broken.toml"])


def test_at_least_one_model_each_once():
    with pytest.raises(SingleshotError, match="name at least one model"):
        find_subjects([])
    with pytest.raises(SingleshotError, match="localizer is given twice"):
        find_subjects(["localizer", "localizer"])
