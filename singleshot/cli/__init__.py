"""The command line: load, call, print. Nothing is decided here that Python users could not call."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from singleshot.cli import compare, evaluate, models, predict, score, train, tune
from singleshot.cli.options import Debug, Session, Version, examples
from singleshot.errors import FailedInAnotherProcess, SingleshotError

__all__ = ["app", "main"]

app = typer.Typer(
    # Plain help: rich would double the time that --help takes.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)
app.command(epilog=train.EXAMPLES)(train.train)
app.command(epilog=tune.EXAMPLES)(tune.tune)
app.command(epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command(epilog=score.EXAMPLES)(score.score)
app.command(epilog=compare.EXAMPLES)(compare.compare)
app.command(epilog=predict.EXAMPLES)(predict.predict)
app.add_typer(models.app, name="models")


@app.callback(
    epilog=examples(
        "singleshot train ssdlite320-lite0 --data cells --run runs/cells",
        "singleshot evaluate runs/cells cells",
    )
)
def singleshot(_version: Version = False, _debug: Debug = False) -> None:
    """From a folder of annotated images to a measured detector running on a small device."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; what a person can mend ends in one or two lines, without a traceback."""
    session = Session()
    try:
        run(arguments, session)
    except BrokenPipeError:
        stop_writing()
    except SingleshotError as error:
        if session.debug:
            raise
        if isinstance(error, FailedInAnotherProcess):
            sys.exit(error.exit_code)
        fail(str(error), error.exit_code)
    except Exception as error:
        if session.debug:
            raise
        first_line = str(error).partition("\n")[0]
        fail(f"{type(error).__name__}: {first_line} (unexpected; --debug shows where)", 1)


def run(arguments: Sequence[str] | None, session: Session) -> None:
    """Run one command to its end, and everything it printed out of the door."""
    try:
        app(args=arguments, obj=session, prog_name="singleshot")
    finally:
        sys.stdout.flush()


def fail(message: str, exit_code: int) -> NoReturn:
    """Say what went wrong and leave."""
    typer.echo(f"Error: {message}", err=True)
    sys.exit(exit_code)


def stop_writing() -> NoReturn:
    """Leave quietly when nobody reads any more, as after `| head`."""
    # Python flushes stdout once more on its way out, which must not fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)
