from __future__ import annotations

import re

import pytest
from command_line import singleshot

from singleshot.cli.options import complete_key, complete_recipe


@pytest.mark.parametrize(
    "command", ["train", "tune", "evaluate", "score", "compare", "predict", "models show"]
)
def test_no_type_of_python_is_in_a_help_text(command):
    text = singleshot(*command.split(), "--help").stdout
    assert not re.search(r"<\w+|list\[", text)


def test_options_are_grouped():
    lines = singleshot("train", "--help").stdout.splitlines()
    headings = [line for line in lines if re.fullmatch(r"[A-Z]\w+:", line)]
    expected = ["Arguments:", "Data:", "Reading:", "Recipe:", "Start:", "Results:", "Options:"]
    assert headings == expected
    start = lines.index("Recipe:")
    assert "--epochs N" in lines[start + 1]


def test_no_line_of_a_list_of_commands_is_cut():
    text = singleshot("--help").stdout
    assert "Compare detectors by accuracy, speed and size." in text
    assert "..." not in text.partition("\nCommands:\n")[2]


def test_help_has_no_bound_without_its_unit_and_each_option_a_fitting_group():
    text = singleshot("train", "--help").stdout
    assert "0.001" not in text
    assert "  singleshot train --resume runs/cells\n" in text
    of_detections = singleshot("predict", "--help").stdout.partition("Detections:\n")[2]
    assert "--score-threshold" in of_detections.partition("\n\n")[0]


def test_choices_are_named():
    assert "--protocol voc07|voc10|coco" in singleshot("score", "--help").stdout


def test_recipes_and_toml_files_are_completed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ssdlite-own.toml").touch()
    assert {"ssdlite320-lite0", "ssdlite-own.toml"} <= set(complete_recipe("ssdlite"))
    assert complete_recipe("nothing") == []


def test_keys_of_recipes_are_completed_up_to_their_value():
    assert complete_key("training.ep") == ["training.epochs="]
    assert "model.input=" in complete_key("model.")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("singleshot ev", "evaluate"),
        ("singleshot train ssdlite320-lite0 --set training.ep", "training.epochs="),
        ("singleshot models show ssd300-vgg16-co", "ssd300-vgg16-coco"),
    ],
)
def test_the_shell_is_offered_commands_recipes_and_keys(monkeypatch, words, expected):
    monkeypatch.setenv("_SINGLESHOT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert singleshot().stdout.split() == [expected]


def test_a_recipe_is_printed_as_it_is_or_in_full(tmp_path):
    text = singleshot("models", "recipe", "ssdlite320-lite0").stdout
    assert text.startswith("# SSDLite")
    (tmp_path / "own.toml").write_text(
        singleshot("models", "recipe", "ssd300-vgg16", "--full").stdout
    )
    assert "[model.heads]" in (tmp_path / "own.toml").read_text()
    shown = singleshot("models", "show", str(tmp_path / "own.toml"))
    assert shown.exit_code == 0, shown.stderr
