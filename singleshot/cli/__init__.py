"""The command line: parse options, call `singleshot`, print the result."""

import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

import typer

from singleshot.cli import (
    benchmark,
    compare,
    data,
    evaluate,
    export,
    models,
    predict,
    score,
    serve,
    train,
    tune,
)
from singleshot.cli.help import GroupedCommand
from singleshot.cli.options import Debug, Session, Version, examples
from singleshot.cli.output import abandon_stdout, flush_results, prepare_streams
from singleshot.errors import FailedInAnotherProcess, SingleshotError

__all__ = ["app", "main"]

app = typer.Typer(
    # Plain help: rich would double the time that --help takes.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)
app.command(cls=GroupedCommand, epilog=train.EXAMPLES)(train.train)
app.command(cls=GroupedCommand, epilog=tune.EXAMPLES)(tune.tune)
app.command(cls=GroupedCommand, epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command(cls=GroupedCommand, epilog=score.EXAMPLES)(score.score)
app.command(cls=GroupedCommand, epilog=compare.EXAMPLES)(compare.compare)
app.command(cls=GroupedCommand, epilog=benchmark.EXAMPLES)(benchmark.benchmark)
app.command(cls=GroupedCommand, epilog=predict.EXAMPLES)(predict.predict)
app.command(cls=GroupedCommand, epilog=export.EXAMPLES)(export.export)
app.command(cls=GroupedCommand, epilog=serve.EXAMPLES)(serve.serve)
app.add_typer(data.app, name="data")
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
    """Run one command; errors that a user can fix are one or two lines without a traceback."""
    session = Session()
    # Pillow warns of images half as large as those that it refuses.
    warnings.filterwarnings("ignore", message="Image size .* could be decompression bomb")
    try:
        prepare_streams()
        _run(arguments, session)
    except BrokenPipeError:
        abandon_stdout()  # quietly
        sys.exit(1)
    except SingleshotError as error:
        if session.debug:
            raise
        if isinstance(error, FailedInAnotherProcess):
            sys.exit(error.exit_code)
        _fail(str(error), error.exit_code)
    except Exception as error:
        if session.debug:
            raise
        first_line = str(error).partition("\n")[0]
        _fail(f"{type(error).__name__}: {first_line} (unexpected; --debug shows where)", 1)


def _run(arguments: Sequence[str] | None, session: Session) -> None:
    """Run one command to its end and flush its output."""
    try:
        app(args=arguments, obj=session, prog_name="singleshot")
    finally:
        flush_results()


def _fail(message: str, exit_code: int) -> NoReturn:
    """Print an error and exit."""
    typer.echo(f"Error: {message}", err=True)
    sys.exit(exit_code)
