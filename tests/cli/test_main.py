# Tests singleshot/cli/__init__.py, singleshot/cli/models.py

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from command_line import help_examples, singleshot
from typer.main import get_command

from singleshot.cli import app, main
from singleshot.errors import RecipeError, RunFailed
from singleshot.version import __version__

MODELS = ["models", "models list", "models show", "models download"]
COMMANDS = ["", "train", "evaluate", "predict", *MODELS]
HEAVY = ("torch", "torchvision", "timm", "numpy", "pydantic", "rich", "matplotlib")


@pytest.fixture
def failing(monkeypatch):
    """Make `models list` fail with an error."""

    def fail_with(error):
        def fail():
            raise error

        monkeypatch.setattr("singleshot.list_recipes", fail)

    return fail_with


def test_help_names_every_command():
    outcome = singleshot("--help")
    assert outcome.exit_code == 0
    assert all(command in outcome.stdout for command in ("train", "evaluate", "predict", "models"))


def test_help_imports_no_heavy_packages():
    code = f"import sys, singleshot.cli; print([name for name in {HEAVY} if name in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


def test_version():
    assert singleshot("--version").stdout == f"singleshot {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_ends_with_two_commands_that_can_be_parsed(command):
    examples = help_examples(command)
    assert len(examples) == 2
    for program, *arguments in examples:
        assert program == "singleshot"
        parse(arguments)


def parse(arguments):
    """Parse the arguments as the program would, without running the command."""
    command = get_command(app)
    while hasattr(command, "commands"):
        name, *arguments = arguments
        command = command.commands[name]
    command.make_context(command.name, arguments)


def test_an_error_of_the_user_is_one_line_and_exit_code_2(failing):
    failing(RecipeError("my.toml: unknown key 'a'"))
    outcome = singleshot("models", "list")
    assert outcome == (2, "", "Error: my.toml: unknown key 'a'\n")


def test_a_failed_run_is_exit_code_1(failing):
    failing(RunFailed("the loss is not finite"))
    assert singleshot("models", "list").exit_code == 1


def test_an_unexpected_error_is_one_line_with_a_hint(failing):
    failing(ZeroDivisionError("division by zero"))
    outcome = singleshot("models", "list")
    assert outcome.exit_code == 1
    assert outcome.stderr == (
        "Error: ZeroDivisionError: division by zero (unexpected; --debug shows where)\n"
    )


@pytest.mark.parametrize("words", [["--debug", "models", "list"], ["models", "list", "--debug"]])
def test_debug_keeps_the_traceback(failing, words):
    failing(RecipeError("wrong"))
    with pytest.raises(RecipeError, match="wrong"):
        main(words)


def test_ctrl_c_is_quiet(failing):
    failing(KeyboardInterrupt())
    assert singleshot("models", "list") == (130, "", "")


@pytest.mark.parametrize(
    "words", [["tran"], ["train"], ["evaluate", "a", "b", "--protocol", "voc"], ["predict", "--x"]]
)
def test_wrong_usage_is_exit_code_2(words):
    outcome = singleshot(*words)
    assert outcome.exit_code == 2
    assert outcome.stdout == ""


def run_with_stdout(redirection):
    """Run `models list` in a shell that redirects its stdout."""
    return subprocess.run(
        f"{sys.executable} -m singleshot models list {redirection}",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.name != "posix", reason="the redirection is that of a POSIX shell")
def test_a_stdout_that_was_never_open_is_a_plain_error():
    done = run_with_stdout(">&-")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: stdout is closed: nowhere to write the results")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_full_stdout_is_a_plain_error():
    done = run_with_stdout("> /dev/full")
    assert done.returncode == 1
    assert done.stderr == (
        "Error: stdout does not take the results: No space left on device; redirect it elsewhere\n"
    )


def test_what_stdout_cannot_encode_is_escaped():
    code = (
        "from singleshot.cli import output; output.prepare_streams(); output.print_result('\u0441')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )
    assert done.stdout.split() == [b"\\u0441"]


def test_a_closed_stdout_prints_no_error():
    command = [sys.executable, "-m", "singleshot", "train", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
