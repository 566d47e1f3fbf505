"""The parameters of a command are made from its options dataclass."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import typer
from typer.testing import CliRunner

from singleshot.cli.options import with_options
from singleshot.errors import SingleshotError
from singleshot.options import Options, argument, callback, option


def seconds(text: str) -> float:
    if not text.endswith("s"):
        raise ValueError(f"{text!r} is no time")
    return float(text[:-1])


@dataclass(frozen=True)
class Given(Options):
    data: str | Path = field(metadata=argument("Folder of images.", metavar="DATA", cli_type=str))
    _: KW_ONLY
    sets: str | Sequence[str] = field(default=(), metadata=option("Several.", flag="--set"))
    report: str | Path | None = field(default=None, metadata=option("A folder.", metavar="DIR"))
    track: Literal["mlflow"] | None = field(default=None, metadata=option("Where."))
    time: float | None = field(default=None, metadata=option("Time.", parse=seconds))
    trials: int = field(default=1, metadata=option("Trials.", minimum=1))
    resume: bool = field(default=False, metadata=option("Resume."))
    progress: str | None = field(default=None, metadata=callback("Called."))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data == "nowhere":
            raise SingleshotError("no such data")


@pytest.fixture
def call():
    calls = []
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @with_options(Given)
    def command(model: str, *, json: bool = False, options: Given) -> None:
        calls.append((model, json, options))

    def run(*words):
        outcome = CliRunner().invoke(app, list(words))
        return outcome, calls

    return run


def test_every_option_is_a_field_of_the_dataclass(call):
    words = ["--set", "a=1", "--set", "b=2", "--report", "r", "--track", "mlflow", "--time", "2s"]
    _, calls = call("m", "cells", *words, "--trials", "3", "--resume", "--json")
    expected = Given(
        "cells",
        sets=["a=1", "b=2"],
        report=Path("r"),
        track="mlflow",
        time=2.0,
        trials=3,
        resume=True,
    )
    assert calls == [("m", True, expected)]


def test_omitted_options_keep_the_defaults_of_the_dataclass(call):
    _, calls = call("m", "cells")
    assert calls[0][2].to_command("x") == "singleshot x cells"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trials", "0"], "greater than or equal to 1"),
        (["--track", "wandb"], "'wandb' is not"),
        (["--time", "2"], "'2' is no time"),
        (["--progress", "2"], "No such option"),
        (["--no-resume"], "No such option"),
    ],
)
def test_undeclared_options_are_refused(call, words, message):
    outcome, calls = call("m", "cells", *words)
    assert outcome.exit_code == 2
    assert message in outcome.output
    assert not calls


def test_the_dataclass_refuses_before_the_command_runs(call):
    outcome, calls = call("m", "nowhere")
    assert isinstance(outcome.exception, SingleshotError)
    assert not calls


def test_the_help_text_is_that_of_the_fields(call):
    text = call("--help")[0].stdout
    assert "Folder of images." in text
    assert "--report DIR" in text
