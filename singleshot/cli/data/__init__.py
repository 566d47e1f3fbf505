"""`singleshot data`: look at annotated images before a training."""

import typer

from singleshot.cli.data import check, convert, coverage, preview, split, stats
from singleshot.cli.help import GroupedCommand
from singleshot.cli.options import examples

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command(cls=GroupedCommand, epilog=check.EXAMPLES)(check.check)
app.command(cls=GroupedCommand, epilog=convert.EXAMPLES)(convert.convert)
app.command(cls=GroupedCommand, epilog=coverage.EXAMPLES)(coverage.coverage)
app.command(cls=GroupedCommand, epilog=preview.EXAMPLES)(preview.preview)
app.command(cls=GroupedCommand, epilog=stats.EXAMPLES)(stats.stats)
app.command(cls=GroupedCommand, epilog=split.EXAMPLES)(split.split)


@app.callback(epilog=examples("singleshot data stats cells", "singleshot data check cells"))
def data() -> None:
    """Look at annotated images, convert and split them."""
