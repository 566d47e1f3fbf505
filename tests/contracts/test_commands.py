"""Every command has one call in Python, with the same options by the same names."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
from typer.main import get_command

import singleshot
from singleshot.cli import app

# Commands of a group, and what only the command line needs.
CALLS = {
    "data check": "check_dataset",
    "data convert": "convert_dataset",
    "data coverage": "measure_coverage",
    "data preview": "preview_data",
    "data stats": "describe_dataset",
    "data split": "split_dataset",
    "models list": "list_recipes",
    "models show": "show_model",
    "models recipe": "recipe_text",
    "models import": "import_model",
    "models download": "download_model",
}
COMMAND_LINE_ONLY = {"json", "help", "tutorial", "shard"}


def commands(command=None, names=()) -> Iterator[tuple[str, object]]:
    command = command or get_command(app)
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(names), command
    for name, one in (below or {}).items():
        yield from commands(one, (*names, name))


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_call_in_python(name):
    call = CALLS.get(name, name)
    assert call in singleshot.__all__
    assert callable(getattr(singleshot, call))


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in CALLS])
def test_the_call_takes_the_options_of_the_command(name):
    _, *taken = inspect.signature(getattr(singleshot, name)).parameters
    _, *options = [one.name for one in COMMANDS[name].params if one.expose_value]
    assert set(options) - COMMAND_LINE_ONLY <= set(taken)
