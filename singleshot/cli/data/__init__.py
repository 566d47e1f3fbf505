"""`singleshot data`: look at annotated images before a training."""

import typer

from singleshot.cli.options import examples

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback(epilog=examples("singleshot data stats cells", "singleshot data check cells"))
def data() -> None:
    """Look at annotated images, and convert or split them, before a training."""
