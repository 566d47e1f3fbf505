"""The recipe file: it loads to the same recipe, and has its reasons as comments."""

import torch
from tasks import task

from singleshot.auto.choose import choose_recipe
from singleshot.auto.limits import Limits, MeasurementSetup
from singleshot.auto.start import base_content
from singleshot.backports import tomllib
from singleshot.recipes.load import load_recipe

SETUP = MeasurementSetup(("cat",), torch.zeros(3, 48, 64, dtype=torch.uint8), torch.device("cpu"))


def test_the_file_is_an_ordinary_recipe_with_reasons(tmp_path):
    chosen = choose_recipe(task(seconds=600.0), base_content(None), Limits(), SETUP)
    text = chosen.to_toml("singleshot train auto --data cats")
    assert text.startswith("# Chosen by: singleshot train auto --data cats\n# 300 images")
    assert tomllib.loads(text) == chosen.content
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert load_recipe(path) == chosen.recipe
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    rate = lines.index("learning_rate = 0.003")
    assert lines[rate - 1] == "# AdamW's, for batches of 8"
    assert "[model.priors]" in lines


def test_of_a_start_the_whole_recipe_is_written():
    base = load_recipe("ssdlite320-lite0").model_dump(mode="json", exclude_none=True)
    chosen = choose_recipe(task(), base, Limits(), SETUP)
    text = chosen.to_toml("singleshot train auto --data cats --init runs/coco")
    assert "based_on" not in text
    assert load_recipe(tomllib.loads(text)) == chosen.recipe
    assert tomllib.loads(text)["fine_tuning"]["training"]["learning_rate"] == 0.005
